/** The webhook connector that posts alerts, and the action that rules get with it. */
const connector = 'cordon-alerts'

/** Its secret is never in a saved object: whoever imports it is told to give it. `{{url}}` is a setting of the manifest. */
export function webhookObject() {
  return {
    id: connector,
    type: 'action',
    attributes: {
      actionTypeId: '.webhook',
      name: 'Cordon',
      isMissingSecrets: true,
      config: {
        method: 'post',
        url: '{{url}}/v1/alerts/elastic',
        headers: { 'content-type': 'application/json' },
        hasAuth: false,
      },
      secrets: {},
    },
    references: [],
    coreMigrationVersion: '8.8.0',
    typeMigrationVersion: '8.3.0',
  }
}

/**
 * Kibana prints the alerts one after the other with commas, and without brackets. Three braces: two would escape the JSON as
 * if it stood inside of a text.
 */
export const webhookBody = '{"alerts":[{{{context.alerts}}}]}'

/** Body of `POST /api/detection_engine/rules/_bulk_action`: rules with the tag get the action, once a run, for all its alerts. */
export function ruleActions() {
  const action = {
    id: connector,
    group: 'default',
    params: { body: webhookBody },
    frequency: { summary: true, notifyWhen: 'onActiveAlert', throttle: null },
  }
  return {
    action: 'edit',
    query: 'alert.attributes.tags: "cordon"',
    edit: [{ type: 'add_rule_actions', value: { actions: [action] } }],
  }
}
