/** A few objects of a platform, as its GraphQL gives them. */
import { addressId } from '../../connectors/opencti/stix/id.ts'
import { connection, type Entity } from '../doubles/opencti.ts'

export function marking(definition: string, order: number): Entity {
  return {
    __typename: 'MarkingDefinition',
    id: `marking-${order}`,
    standard_id: `marking-definition--${order}`,
    definition_type: 'TLP',
    definition,
    x_opencti_order: order,
  }
}

export function indicator(id: string, pattern: string, more: Record<string, unknown> = {}): Entity {
  return {
    __typename: 'Indicator',
    id,
    pattern,
    revoked: false,
    valid_from: '2026-03-01T00:00:00.000Z',
    valid_until: '2026-06-01T00:00:00.000Z',
    x_opencti_score: 80,
    x_opencti_detection: true,
    objectMarking: [],
    objectLabel: [],
    killChainPhases: [],
    stixCoreRelationships: connection([]),
    ...more,
  }
}

export function observable(value: string, more: Record<string, unknown> = {}): Entity {
  return {
    __typename: value.includes(':') ? 'IPv6Addr' : 'IPv4Addr',
    id: `observable-${value}`,
    standard_id: addressId(value),
    value,
    observable_value: value,
    x_opencti_score: 50,
    objectMarking: [],
    objectLabel: [],
    indicators: connection([]),
    reports: connection([]),
    ...more,
  }
}

export function indicates(type: string, name: string) {
  const entity_type = type.replace(/(.)([A-Z])/g, '$1-$2')
  return { to: { __typename: type, entity_type, name, id: name } }
}
