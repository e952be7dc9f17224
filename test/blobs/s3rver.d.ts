/** The part of s3rver we use; it ships no types. */
declare module 's3rver' {
  import type { AddressInfo } from 'node:net'
  export default class S3rver {
    constructor(options: {
      address: string
      port: number
      silent: boolean
      directory: string
      configureBuckets: { name: string }[]
    })
    httpServer: import('node:http').Server
    run(): Promise<AddressInfo>
    close(): Promise<void>
  }
}
