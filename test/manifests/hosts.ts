/** The tables of hosts in manifests/README.md and README.md, from each manifest.yaml. */
import { isForMachine } from '../../actions/manifest/choose.ts'
import { hostNames, readManifest } from '../../actions/manifest/read-manifests.ts'

export function hostsTable(): string {
  const rows = hostNames().map((host) => {
    const { title, versions, parts } = readManifest(host).file
    const told = Object.entries(parts).map(([name, part]) => {
      const where = isForMachine(part) ? '' : ', to import'
      return `\`${name}\` (${part.description}${where})`
    })
    return `| [\`${host}\`](${host}/README.md) | ${title} | ${versions} | ${told.join('; ')} |`
  })
  return ['| host | product | versions | parts |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** What was run against what. */
export function testedTable(): string {
  const rows = hostNames().map((host) => {
    const { title, versions, tested } = readManifest(host).file
    return `| [${title}](manifests/${host}/README.md) | ${versions} | ${tested} |`
  })
  return ['| host | versions | what was run |', '| --- | --- | --- |', ...rows].join('\n')
}
