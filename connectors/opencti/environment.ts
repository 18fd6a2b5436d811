/** What the platform's own enrichment connectors take from the environment. */
import {
  always,
  pem,
  protocol,
  type Understand,
  understandEnvironment,
} from './client/environment.ts'
import { scopes } from './enrich/enrichment-settings.ts'

/** Of a list that was made for several connectors what is an address. */
const scope: Understand = ({ name, value }) => {
  const words = value.split(',').map((word) => word.trim())
  const known = scopes.filter((one) =>
    words.some((word) => word.toLowerCase() === one.toLowerCase()),
  )
  const others = words.filter(
    (word) => !known.some((one) => one.toLowerCase() === word.toLowerCase()),
  )
  return {
    given: known.length > 0 ? { scope: known } : {},
    warnings:
      others.length > 0 ? [`${name}: ${others.join(', ')} is no address and is left out`] : [],
  }
}

/** Where the platform's workers post jobs to: the address, and the path that they take of their own accord. */
const callback: Understand = ({ value, environment }) => {
  const path = environment.CONNECTOR_LISTEN_PROTOCOL_API_PATH || '/api/callback'
  return { given: { callback_uri: value.replace(/\/+$/, '') + path } }
}

export const environment = understandEnvironment('INTERNAL_ENRICHMENT', {
  CONNECTOR_SCOPE: scope,
  CONNECTOR_AUTO: 'auto',
  CONNECTOR_AUTO_UPDATE: always(
    false,
    'an address is not enriched anew at each change, since what Cordon writes is one',
  ),
  QUEUE_PROTOCOL: protocol('send'),
  CONNECTOR_QUEUE_PROTOCOL: protocol('send'),
  CONNECTOR_LISTEN_PROTOCOL: protocol('listen'),
  CONNECTOR_LISTEN_PROTOCOL_API_URI: callback,
  CONNECTOR_LISTEN_PROTOCOL_API_PORT: ({ value }) => ({
    given: { callback_listen: `127.0.0.1:${value}` },
  }),
  LISTEN_PROTOCOL_API_SSL_KEY: pem('callback_key'),
  LISTEN_PROTOCOL_API_SSL_CERT: pem('callback_cert'),
  MQ_HOST: 'mq_host',
  MQ_PORT: 'mq_port',
  MQ_USER: 'mq_user',
  MQ_PASS: 'mq_pass',
  MQ_USE_SSL: 'mq_use_ssl',
})
