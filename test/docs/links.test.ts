/** Links of the documentation lead somewhere: files are there, headings too. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { pages } from './pages.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** As GitHub makes anchors: lower case, punctuation dropped, spaces to hyphens. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const anchorsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ''))

function brokenLinks(path: string): string[] {
  const text = readFileSync(path, 'utf8').replace(/```[\s\S]*?```/g, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^https?:/.test(link)) return []
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : resolve(dirname(path), file)
    if (!existsSync(target)) return [`${link}: no such file`]
    const isPage = anchor !== undefined && statSync(target).isFile()
    return isPage && !anchorsOf(target).includes(anchor) ? [`${link}: no such heading`] : []
  })
}

test.each(pages(root).map((path) => relative(root, path)))('every link of %s leads somewhere', (path) => {
  expect(brokenLinks(resolve(root, path))).toEqual([])
})
