import { memorySecrets } from '../../lib/secrets/memory.ts'
import { secretsConformance } from './conformance.ts'

secretsConformance('memory', async () => ({ secrets: memorySecrets(), close: async () => {} }))
