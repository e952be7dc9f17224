import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../architecture/sources.ts'

interface Locked {
  version?: string
  optionalDependencies?: { [name: string]: string }
}

/**
 * A registry that mirrors one platform makes `npm install` drop the others from the lock file, and `npm ci` then refuses
 * to install at all, here and everywhere: the first command of the README.
 */
test('the lock file holds the optional packages of every platform, so that npm ci works on each', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: { [path: string]: Locked }
  }
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter(
        (name) => !packages[`node_modules/${name}`]?.version && !packages[`${path}/node_modules/${name}`]?.version,
      )
      .map((name) => `${name} of ${path}`),
  )
  expect(missing).toEqual([])
})

test('the lock file is of this package.json', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(ROOT, name), 'utf8'))
  const { dependencies, devDependencies } = read('package.json')
  expect(read('package-lock.json').packages['']).toMatchObject({ dependencies, devDependencies })
})
