import { memoryStore } from '../../lib/store/memory.ts'
import { storeConformance } from './conformance.ts'

storeConformance('memory', async () => ({ store: memoryStore(), close: async () => {} }))
