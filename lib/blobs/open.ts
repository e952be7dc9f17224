/** The blob store that `LONGSHORE_BLOBS` names: `s3://bucket` or `file:/folder`. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { awsTransfers } from '../limits/aws-calls.ts'
import { folderOf, requiredVariable, unknownForm, type Variables } from '../variables.ts'
import { diskBlobs } from './disk.ts'
import type { BlobStore } from './port.ts'
import { s3Blobs } from './s3.ts'

/** Throws `config-invalid`. */
export function openBlobs(variables: Variables, calls: S3ClientConfig = awsTransfers): BlobStore {
  const url = requiredVariable(variables, 'LONGSHORE_BLOBS')
  if (url.startsWith('file:')) return diskBlobs(folderOf(url))
  if (!url.startsWith('s3://')) throw unknownForm('LONGSHORE_BLOBS', url, 's3://bucket or file:/folder')
  return s3Blobs({ client: new S3Client(calls), bucket: url.slice('s3://'.length).replace(/\/$/, '') })
}
