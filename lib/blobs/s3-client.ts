/** S3 as the blob store of a function. A module of its own, so that a bundle holds only the commands that are used. */
import { S3Client } from '@aws-sdk/client-s3'
import type { BlobStore } from './port.ts'
import { s3Blobs } from './s3.ts'

export const openS3 = (bucket: string): BlobStore => s3Blobs({ client: new S3Client({}), bucket })
