/** XSOAR's unified integration: one YAML file with the script in it, and in the script the client of the API. */
import { readFileSync } from 'node:fs'
import { isScalar, parseDocument } from 'yaml'

const manifests = new URL('../../manifests/', import.meta.url)
const client = 'shuffle/app/cordon/1.0.0/src/cordon_client.py'
/** What XSOAR has there already when it runs the script, or what stands in the same file. */
const imports = /^(import demistomock|from CommonServerPython|from cordon_client) .*\n/gm

/** Contents by path from the root of the repository. */
export function xsoarFiles(): Map<string, string> {
  const document = parseDocument(read('xsoar/src/cordon.yml'))
  const script = `${read(client)}\n\n${read('xsoar/src/cordon.py').replace(imports, '')}`
  const place = document.getIn(['script', 'script'], true)
  if (!isScalar(place)) throw new Error('cordon.yml has no place for the script')
  place.value = `${script.replace(/\n{4,}/g, '\n\n\n').trimEnd()}\n`
  place.type = 'BLOCK_LITERAL'
  return new Map([['manifests/xsoar/integration-Cordon.yml', document.toString({ lineWidth: 0 })]])
}

function read(path: string): string {
  return readFileSync(new URL(path, manifests), 'utf8')
}
