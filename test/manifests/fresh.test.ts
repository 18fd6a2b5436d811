/** What is generated and committed is what would be generated now. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { generate } from './generate.ts'

for (const [path, content] of await generate())
  test(`${path} is fresh`, () => {
    const committed = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
    assert.ok(committed === content, `${path} is stale: run "npm run manifests" and commit it`)
  })
