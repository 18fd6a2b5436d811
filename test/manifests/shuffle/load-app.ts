/** Whether Shuffle takes the api.yaml of an app: its decoder's rules, written anew from recorded outcomes. Else it is skipped without a word. */
import { z } from 'zod'

/** A number or a boolean becomes text where text is wanted; the decoder knows no other leniency. */
const Text = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)])
const Texts = z.array(Text).nullish()
const Flag = z.boolean().nullish()
const Schema = z.looseObject({ type: Text.nullish(), name: Text.nullish() }).nullish()

const Parameter = z.looseObject({
  name: Text.default(''),
  description: Text.nullish(),
  example: Text.nullish(),
  value: Text.nullish(),
  multiline: Flag,
  multiselect: Flag,
  required: Flag,
  configuration: Flag,
  skip_multicheck: Flag,
  hidden: Flag,
  options: Texts,
  schema: Schema,
})
const Action = z.looseObject({
  name: Text.default(''),
  description: Text.nullish(),
  auth_not_required: Flag,
  parameters: z.array(Parameter).nullish(),
  returns: z
    .looseObject({ description: Text.nullish(), example: Text.nullish(), schema: Schema })
    .nullish(),
})
const App = z.looseObject({
  name: Text.default(''),
  description: Text.default(''),
  app_version: Text.default(''),
  contact_info: z.looseObject({ name: Text.default(''), url: Text.nullish() }).prefault({}),
  tags: Texts,
  categories: Texts,
  actions: z.array(Action).default([]),
  authentication: z
    .looseObject({ required: Flag, type: Text.nullish(), parameters: z.array(Parameter).nullish() })
    .nullish(),
})
export type App = z.infer<typeof App>

export type Loaded = {
  app: App
  image: string
  /** What each method is called with, those of the authentication first. */
  actions: Map<string, { name: string; required: boolean; configuration: boolean }[]>
}

/** `value` is what a YAML parser made of the file. Throws when the app would be skipped. */
export function loadApp(value: unknown): Loaded {
  const app = App.parse(value)
  const needed = { name: app.name, description: app.description, app_version: app.app_version }
  for (const [key, text] of Object.entries({ ...needed, contact: app.contact_info.name }))
    if (text === '') throw new Error(`missing ${key}`)
  const auth = app.authentication?.required ? (app.authentication.parameters ?? []) : []
  return {
    app,
    image: `frikky/shuffle:${app.name.toLowerCase().replaceAll(' ', '-')}_${app.app_version}`,
    actions: new Map(
      app.actions.map(({ name, parameters, auth_not_required }) => [
        name,
        [
          ...(auth_not_required ? [] : auth).map((one) => shape(one, true)),
          ...(parameters ?? []).map((one) => shape(one, one.configuration === true)),
        ],
      ]),
    ),
  }
}

function shape(parameter: z.infer<typeof Parameter>, configuration: boolean) {
  return { name: parameter.name, required: parameter.required === true, configuration }
}
