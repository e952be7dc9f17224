// `npm run build`: bundles to dist/ and tells the sizes of the functions.
import { statSync } from 'node:fs'
import { build } from '../build.mjs'

const { metafile } = await build()
for (const file of Object.keys(metafile.outputs)) console.log(`${String(statSync(file).size).padStart(9)}  ${file}`)
