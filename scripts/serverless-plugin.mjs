// What serverless.yml loads. Builds before packaging, and under serverless-offline hands over to lib/local.
import { build } from '../build.mjs'
import { buildWhenChanged } from './built.mjs'

export default class LongshorePlugin {
  constructor(serverless) {
    this.serverless = serverless
    this.hooks = {
      'before:package:initialize': () => build({ local: false }),
      'before:offline:start:init': () => this.prepare(),
      'after:offline:start:init': () => this.speak?.(),
      'offline:start:ready': () => this.stack.serve(),
      // serverless-offline hears the signal too and would exit before everything is closed.
      'before:offline:start:end': () => this.stack.close(),
      // `serverless offline` without `start` has no hook between listening and waiting for a signal.
      'before:offline:start': async () => {
        await this.prepare()
        void this.stack.answering().then(() => {
          this.speak()
          return this.stack.serve()
        })
      },
      // serverless reports the error, and would then wait for ever for what this plugin has open.
      error: () => this.stack && setTimeout(() => this.end(1), 100),
    }
  }

  async prepare() {
    const { closeWith, end } = await import('./lifetime.mjs')
    this.end = end
    await buildWhenChanged()
    const { LocalStack } = await import('../dist/local/stack.mjs')
    this.stack = new LocalStack(this.serverless)
    closeWith(() => this.stack.close())
    try {
      await this.stack.prepare()
    } catch (error) {
      process.stderr.write(`longshore: ${this.stack.sentence(error)}\n`)
      end(1)
      // Nothing may go on while it ends.
      await new Promise(() => {})
    }
    this.hush()
  }

  /** While serverless-offline starts it prints a box of routes, for which it has no switch. */
  hush() {
    const { log } = console
    console.log = () => {}
    this.speak = () => {
      console.log = log
    }
  }
}
