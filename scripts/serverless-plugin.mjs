// What serverless.yml loads. Builds before packaging, and under serverless-offline hands over to lib/local.
import { build } from '../build.mjs'

export default class LongshorePlugin {
  constructor(serverless) {
    this.serverless = serverless
    this.hooks = {
      'before:package:initialize': () => build(),
      'before:offline:start:init': () => this.prepare(),
      'offline:start:ready': () => this.stack.serve(),
    }
  }

  async prepare() {
    // `npm start` has built already.
    if (!process.env.LONGSHORE_BUILT) await build()
    const { LocalStack } = await import('../dist/local/stack.mjs')
    this.stack = new LocalStack(this.serverless)
    await this.stack.prepare()
  }
}
