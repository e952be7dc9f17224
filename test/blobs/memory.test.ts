import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { blobsConformance } from './conformance.ts'

blobsConformance('memory', async () => ({ blobs: memoryBlobs(), close: async () => {} }))
