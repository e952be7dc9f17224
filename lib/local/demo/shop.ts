/** The application of the demo image: a small web shop with real npm packages of 2021 to 2023, descriptions only. */
import type { TarEntry } from './tar.ts'

const SHOP = 'srv/shop'
const MIGRATE = 'opt/migrate'

/** Path below `node_modules` -> version. `async` brings an older lodash of its own, as npm nests them. */
const SHOP_MODULES: Record<string, string> = {
  '@grpc/grpc-js': '1.8.14',
  accepts: '1.3.7',
  async: '2.6.3',
  'async/node_modules/lodash': '4.17.15',
  axios: '0.21.1',
  'body-parser': '1.19.0',
  bytes: '3.1.0',
  'content-disposition': '0.5.3',
  'content-type': '1.0.4',
  cookie: '0.4.0',
  'cookie-signature': '1.0.6',
  debug: '2.6.9',
  depd: '1.1.2',
  'ee-first': '1.1.1',
  encodeurl: '1.0.2',
  'escape-html': '1.0.3',
  etag: '1.8.1',
  express: '4.17.1',
  finalhandler: '1.1.2',
  'follow-redirects': '1.15.2',
  fresh: '0.5.2',
  lodash: '4.17.20',
  'merge-descriptors': '1.0.1',
  'mime-db': '1.52.0',
  'mime-types': '2.1.35',
  minimist: '1.2.5',
  ms: '2.0.0',
  'node-fetch': '2.6.1',
  'on-finished': '2.3.0',
  parseurl: '1.3.3',
  'path-to-regexp': '0.1.7',
  qs: '6.7.0',
  'range-parser': '1.2.1',
  'safe-buffer': '5.1.2',
  send: '0.17.1',
  'serve-static': '1.14.1',
  'type-is': '1.6.18',
  unpipe: '1.0.0',
  vary: '1.1.2',
  ws: '8.11.0',
}

/** The layer `COPY . /srv/shop` would make. */
export function shopLayer(): TarEntry[] {
  return [
    { path: `${SHOP}/` },
    json(`${SHOP}/package.json`, {
      name: 'demo-shop',
      version: '1.0.0',
      private: true,
      main: 'server.js',
      dependencies: { axios: '0.21.1', express: '4.17.1', lodash: '4.17.20', minimist: '1.2.5', ws: '8.11.0' },
    }),
    {
      path: `${SHOP}/server.js`,
      content: "const express = require('express')\nexpress().use(express.static('public')).listen(8080)\n",
    },
    { path: `${SHOP}/public/` },
    { path: `${SHOP}/public/index.html`, content: '<!doctype html><title>Demo shop</title><h1>Demo shop</h1>\n' },
    { path: `${SHOP}/node_modules/` },
    ...Object.entries(SHOP_MODULES).flatMap(([path, version]) => moduleEntries(`${SHOP}/node_modules`, path, version)),
    { path: `${MIGRATE}/` },
    { path: `${MIGRATE}/node_modules/` },
    ...moduleEntries(`${MIGRATE}/node_modules`, 'ansi-regex', '5.0.0'),
  ]
}

/**
 * What a later `RUN` changed: node-fetch is gone (a whiteout, OCI image specification "Whiteouts"), and the modules
 * of the migration tool were installed anew (an opaque directory hides all that was there). A scanner that misses
 * either reports flaws the image does not have.
 */
export function cleanupLayer(): TarEntry[] {
  return [
    { path: `${SHOP}/node_modules/` },
    { path: `${SHOP}/node_modules/.wh.node-fetch`, content: '' },
    { path: `${MIGRATE}/node_modules/` },
    { path: `${MIGRATE}/node_modules/.wh..wh..opq`, content: '' },
    ...moduleEntries(`${MIGRATE}/node_modules`, 'ansi-regex', '5.0.1'),
  ]
}

function moduleEntries(root: string, path: string, version: string): TarEntry[] {
  const name = path.split('/node_modules/').at(-1) ?? path
  return [
    { path: `${root}/${path}/` },
    json(`${root}/${path}/package.json`, { name, version, main: 'index.js' }),
    { path: `${root}/${path}/index.js`, content: `module.exports = {} // ${name} of the demo image holds no code\n` },
  ]
}

const json = (path: string, value: unknown): TarEntry => ({ path, content: `${JSON.stringify(value, null, 2)}\n` })
