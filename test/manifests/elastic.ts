/** What Elasticsearch has to hold for results, as files for whoever puts it there by hand. */
import {
  ilmPolicy,
  indexTemplate,
  ingestPipeline,
} from '../../connectors/elastic/results/resources.ts'
import { planOf } from '../../connectors/elastic/results/sink.ts'
import { Settings } from '../../connectors/elastic/settings.ts'

/** Contents by path from the root of the repository. Each is the body of its PUT request. */
export function elasticFiles(): Map<string, string> {
  const plan = planOf(Settings.parse({}))
  return new Map(
    Object.entries({
      'ilm-policy': { policy: ilmPolicy(plan) },
      'ingest-pipeline': ingestPipeline(),
      'index-template': indexTemplate(plan),
    }).map(([name, body]) => [`manifests/elastic/${name}.json`, printJson(body)]),
  )
}

/** As biome writes it: an array of what has no parts stands on one line. */
function printJson(value: unknown): string {
  const lines = JSON.stringify(value, null, 2)
  const short = lines.replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, items: string) => {
    return `[${items.replace(/,\n\s+/g, ', ')}]`
  })
  return `${short}\n`
}
