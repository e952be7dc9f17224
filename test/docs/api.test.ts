/** docs/api.md is written by hand; nobody must miss a route or an error in it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ERRORS } from '../../lib/errors.ts'
import { apiWorld } from '../http/world.ts'

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')

test('the page of the API tells every error with its status and kind', () => {
  const rows = Object.entries(ERRORS).map(
    ([code, { http, kind, title }]) => `| \`${code}\` | ${http} | ${kind} | ${title} |`,
  )
  expect(rows.filter((row) => !page.includes(row))).toEqual([])
  const told = [...page.matchAll(/^\| `([a-z-]+)` \| \d{3} \|/gm)].map(([, code]) => code)
  expect(told.sort()).toEqual(Object.keys(ERRORS).sort())
})

test('the page of the API tells every route of the document', async () => {
  const world = await apiWorld()
  const { paths } = (await world.get('/openapi.json')).json as { paths: Record<string, object> }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `\`${method.toUpperCase()} ${path}`),
  )
  expect(routes.length).toBeGreaterThan(20)
  expect(routes.filter((route) => !page.includes(route))).toEqual([])
})
