/** The OpenAPI 3.0.3 document, kept to what low-code importers (Shuffle, XSOAR, n8n) can read. */
import type { App } from './route.ts'

export type OpenApi = ReturnType<App['getOpenAPIDocument']>

/** One absolute server, one scheme named exactly BearerAuth, unique summaries, examples everywhere. */
export function openApiDocument(app: App, url: string): OpenApi {
  app.openAPIRegistry.registerComponent('securitySchemes', 'BearerAuth', {
    type: 'http',
    scheme: 'bearer',
  })
  return app.getOpenAPIDocument({
    openapi: '3.0.3',
    info: {
      title: 'Cordon',
      version: '1.0.0',
      description:
        'Alerts in, signed blocks out: decisions that every node enforces, explains and lets go of on time.',
    },
    servers: [{ url }],
    tags: [
      'alerts',
      'decisions',
      'review',
      'addresses',
      'nodes',
      'agents',
      'administration',
      'health',
    ].map((name) => ({ name })),
  })
}
