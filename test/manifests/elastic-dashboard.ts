/**
 * The dashboard over results as saved objects of Kibana 8.9 and later, which migrates them to its own version: a data view,
 * a search, and a dashboard whose panels hold their Lens state themselves.
 */
const dataView = 'cordon-results'
const latest = 'cordon-results-latest'
const layer = 'layer'
const search = (query = '') => ({ query, language: 'kuery' })

type Reference = { type: string; id: string; name: string }
type SavedObject = {
  id: string
  type: string
  attributes: object
  references: Reference[]
  coreMigrationVersion: string
  typeMigrationVersion: string
}
type Column = { isBucketed: boolean; [key: string]: unknown }
type Place = { x: number; y: number; w: number; h: number }
type Lens = { kind: string; visualization: object; columns: Record<string, Column>; query?: string }

/** Grid of 48 columns. */
export function dashboardObjects(): SavedObject[] {
  const panels = [
    metric('Blocks ordered', blocks, { x: 0, y: 0, w: 12, h: 6 }),
    metric('Questions asked', 'event.action: "decision.wait"', { x: 12, y: 0, w: 12, h: 6 }),
    metric('Blocks lifted by people', 'event.action: "decision.lift"', {
      x: 24,
      y: 0,
      w: 12,
      h: 6,
    }),
    metric('Refused or failed at a node', failures, { x: 36, y: 0, w: 12, h: 6 }),
    overTime('What happened', { x: 0, y: 6, w: 48, h: 13 }),
    top('Most blocked', 'cordon.target', blocks, { x: 0, y: 19, w: 16, h: 14 }),
    top('Rules that blocked', 'rule.name', blocks, { x: 16, y: 19, w: 16, h: 14 }),
    top('Nodes that refused or failed', 'observer.name', failures, { x: 32, y: 19, w: 16, h: 14 }),
    latestPanel({ x: 0, y: 33, w: 48, h: 18 }),
  ].map((panel, index) => panel(`panel-${index + 1}`))
  return [
    savedObject('index-pattern', dataView, '8.0.0', {
      attributes: {
        name: 'Cordon results',
        title: 'logs-cordon.results-*',
        timeFieldName: '@timestamp',
      },
    }),
    savedObject('search', latest, '8.0.0', latestSearch()),
    savedObject('dashboard', 'cordon-results', '8.9.0', {
      attributes: {
        title: 'Cordon: what was decided and done',
        description:
          'Decisions, what nodes said of them, and what people did, from logs-cordon.results-*',
        version: 1,
        timeRestore: true,
        timeFrom: 'now-24h',
        timeTo: 'now',
        optionsJSON: JSON.stringify({ useMargins: true, hidePanelTitles: false }),
        panelsJSON: JSON.stringify(panels.map(({ panel }) => panel)),
        kibanaSavedObjectMeta: {
          searchSourceJSON: JSON.stringify({ query: search(), filter: [] }),
        },
      },
      references: panels.flatMap(({ references }) => references),
    }),
  ]
}

const blocks = 'event.action: ("decision.issue" or "decision.approve" or "decision.timeout_block")'
const failures = 'event.action: ("receipt.refused" or "receipt.failed")'

function savedObject(
  type: string,
  id: string,
  typeMigrationVersion: string,
  { attributes, references = [] }: { attributes: object; references?: Reference[] },
): SavedObject {
  return { id, type, attributes, references, coreMigrationVersion: '8.8.0', typeMigrationVersion }
}

const count: Column = {
  label: 'Count',
  dataType: 'number',
  operationType: 'count',
  isBucketed: false,
  scale: 'ratio',
  sourceField: '___records___',
}

function terms(label: string, sourceField: string, size: number): Column {
  return {
    label,
    customLabel: true,
    dataType: 'string',
    operationType: 'terms',
    scale: 'ordinal',
    sourceField,
    isBucketed: true,
    params: {
      size,
      orderBy: { type: 'column', columnId: 'count' },
      orderDirection: 'desc',
      otherBucket: false,
      missingBucket: false,
      parentFormat: { id: 'terms' },
    },
  }
}

function metric(title: string, query: string, place: Place) {
  return lens(title, place, {
    kind: 'lnsMetric',
    visualization: { layerId: layer, layerType: 'data', metricAccessor: 'count' },
    columns: { count: { ...count, label: title, customLabel: true } },
    query,
  })
}

function overTime(title: string, place: Place) {
  const time: Column = {
    label: '@timestamp',
    dataType: 'date',
    operationType: 'date_histogram',
    sourceField: '@timestamp',
    isBucketed: true,
    scale: 'interval',
    params: { interval: 'auto', includeEmptyRows: true, dropPartials: false },
  }
  const data = {
    layerId: layer,
    layerType: 'data',
    seriesType: 'bar_stacked',
    xAccessor: 'time',
    splitAccessor: 'action',
    accessors: ['count'],
  }
  return lens(title, place, {
    kind: 'lnsXY',
    visualization: {
      legend: { isVisible: true, position: 'right' },
      valueLabels: 'hide',
      preferredSeriesType: 'bar_stacked',
      layers: [data],
    },
    columns: { action: terms('What', 'event.action', 12), time, count },
  })
}

function top(title: string, field: string, query: string, place: Place) {
  return lens(title, place, {
    kind: 'lnsDatatable',
    visualization: {
      layerId: layer,
      layerType: 'data',
      columns: [{ columnId: 'value' }, { columnId: 'count' }],
    },
    columns: { value: terms(field, field, 20), count },
    query,
  })
}

function lens(title: string, place: Place, { kind, visualization, columns, query = '' }: Lens) {
  const name = `indexpattern-datasource-layer-${layer}`
  const layers = {
    [layer]: { columns, columnOrder: Object.keys(columns), incompleteColumns: {}, sampling: 1 },
  }
  const attributes = {
    title: '',
    type: 'lens',
    visualizationType: kind,
    references: [{ type: 'index-pattern', id: dataView, name }],
    state: {
      visualization,
      query: search(query),
      filters: [],
      datasourceStates: { formBased: { layers } },
      internalReferences: [],
      adHocDataViews: {},
    },
  }
  return (id: string) => ({
    panel: {
      type: 'lens',
      title,
      panelIndex: id,
      gridData: { ...place, i: id },
      embeddableConfig: { attributes, enhancements: {} },
    },
    references: [{ type: 'index-pattern', id: dataView, name: `${id}:${name}` }],
  })
}

function latestSearch() {
  const meta = 'kibanaSavedObjectMeta.searchSourceJSON.index'
  return {
    attributes: {
      title: 'Cordon: latest results',
      description: '',
      columns: ['event.action', 'cordon.target', 'rule.name', 'cordon.actor', 'message'],
      sort: [['@timestamp', 'desc']],
      grid: {},
      hideChart: true,
      isTextBasedQuery: false,
      kibanaSavedObjectMeta: {
        searchSourceJSON: JSON.stringify({ query: search(), filter: [], indexRefName: meta }),
      },
    },
    references: [{ type: 'index-pattern', id: dataView, name: meta }],
  }
}

function latestPanel(place: Place) {
  return (id: string) => ({
    panel: {
      type: 'search',
      title: 'Latest',
      panelIndex: id,
      gridData: { ...place, i: id },
      embeddableConfig: { enhancements: {} },
      panelRefName: `panel_${id}`,
    },
    references: [{ type: 'search', id: latest, name: `${id}:panel_${id}` }],
  })
}
