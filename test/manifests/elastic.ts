/** What Elasticsearch has to hold for results, and what is imported into Kibana. */
import {
  ilmPolicy,
  indexTemplate,
  ingestPipeline,
} from '../../connectors/elastic/results/resources.ts'
import { planOf } from '../../connectors/elastic/results/sink.ts'
import { Settings } from '../../connectors/elastic/settings.ts'
import { dashboardObjects } from './elastic-dashboard.ts'
import { ruleActions, webhookObject } from './elastic-webhook.ts'

/** Contents by path from the root of the repository. Each JSON is the body of a request. */
export function elasticFiles(): Map<string, string> {
  const plan = planOf(Settings.parse({}))
  const files = {
    'ilm-policy.json': printJson({ policy: ilmPolicy(plan) }),
    'ingest-pipeline.json': printJson(ingestPipeline()),
    'index-template.json': printJson(indexTemplate(plan)),
    'rule-actions.json': printJson(ruleActions()),
    'connector.ndjson': printLines([webhookObject()]),
    'dashboard.ndjson': printLines(dashboardObjects()),
  }
  return new Map(
    Object.entries(files).map(([name, content]) => [`manifests/elastic/${name}`, content]),
  )
}

function printLines(objects: readonly object[]): string {
  return objects.map((one) => `${JSON.stringify(one)}\n`).join('')
}

/** As biome writes it: an array of what has no parts stands on one line. */
function printJson(value: unknown): string {
  const lines = JSON.stringify(value, null, 2)
  const short = lines.replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, items: string) => {
    return `[${items.replace(/,\n\s+/g, ', ')}]`
  })
  return `${short}\n`
}
