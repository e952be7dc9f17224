/**
 * Registry objects: which hosts may be talked to, and with which credentials. Kept by host in the store, passwords in the
 * secret store only; what `LONGSHORE_REGISTRIES` says wins by host. Looked up at run time by the worker, so a changed
 * password reaches jobs that were submitted before.
 */
import * as z from 'zod'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { Secret, type SecretStore } from '../secrets/port.ts'
import type { Item, Store } from '../store/port.ts'
import '../validation.ts'
import { budgetKey } from './budget.ts'
import { normalizeHost } from './reference.ts'
import type { Credentials, Registry } from './types.ts'

/** No sentence of these repeats a value: what is misspelt here may be a password. */
const CREDENTIALS_FORMS =
  'credentials are an object with username and password, or with secret (a name or an ARN), or with type "ecr", and with nothing else'
const text = (name: string, max: number) => {
  const error = `the ${name} is a text of 1 to ${max} characters`
  return z.string(error).min(1, error).max(max, error)
}

const anySecret = text('secret', 256).regex(
  /^[A-Za-z0-9/_+=.@:-]+$/,
  'the secret is named by its name or ARN: letters, digits and / _ + = . @ : -',
)
const notOfTheApi = anySecret.refine(
  (name) => !isOfTheApi(name),
  'names as registries/<tenant>/<host> are passwords that were given to the API, each for its own host; name another secret',
)
const credentialsSchema = (secret: typeof anySecret) =>
  z.union(
    [
      z.strictObject({ username: text('username', 256), password: text('password', 16_384) }),
      z.strictObject({ secret }),
      z.strictObject({ type: z.literal('ecr') }),
    ],
    CREDENTIALS_FORMS,
  )

/** A host in its one spelling. */
const hostSchema = z.string().transform((host, check) => {
  try {
    return normalizeHost(host)
  } catch (error) {
    check.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    return z.NEVER
  }
})

/** As people give it to the API. */
export const registrySchema = z.strictObject({
  host: hostSchema,
  insecure: z.boolean().optional(),
  allowPrivate: z.boolean().optional(),
  credentials: credentialsSchema(notOfTheApi).optional(),
  requestsPerSecond: z.number().positive().max(10_000).optional(),
})
/** As the environment has it: whoever sets that may name any secret. */
const fixedSchema = registrySchema.extend({ credentials: credentialsSchema(anySecret).optional() })
export type RegistryInput = z.infer<typeof registrySchema>

/** What is stored and shown: the password's place is known, the password is not here. */
export interface RegistryObject {
  host: string
  insecure?: boolean
  allowPrivate?: boolean
  credentials?: { username: string } | { secret: string } | { type: 'ecr' }
  requestsPerSecond?: number
  /** `environment`: from LONGSHORE_REGISTRIES, not to be changed by the API. */
  source: 'api' | 'environment'
}

export interface RegistryObjects {
  list(tenant: string): Promise<RegistryObject[]>
  /** Throws `registry-not-found`. */
  get(tenant: string, host: string): Promise<RegistryObject>
  /** Stores it; the password goes to the secret store first, so a stored object never lacks it. */
  put(tenant: string, input: RegistryInput): Promise<RegistryObject>
  remove(tenant: string, host: string): Promise<void>
  /**
   * With credentials, for the client; undefined: no object, a public registry. The item of the host's request budget comes
   * with the same read and is shown to `seeBudget`; of a host that is not looked up here it is not read.
   */
  find(tenant: string, host: string, seeBudget?: (item: Item | undefined) => void): Promise<Registry | undefined>
}

/** By its name, or by an ARN of it. */
const isOfTheApi = (secret: string): boolean => /^(arn:.*:secret:longshore\/[^/]+\/)?registries\/[^/]+\//i.test(secret)

const registryKey = (tenant: string, host: string) => ({ pk: `R#${tenant}`, sk: host })
const secretName = (tenant: string, host: string): string =>
  `registries/${tenant}/${host.replaceAll(/[^A-Za-z0-9.:-]/g, '-')}`

/**
 * Reads `LONGSHORE_REGISTRIES`, a JSON list. Throws `config-invalid`; literal passwords are refused where secrets belong
 * into a secret store (`allowLiteral` false).
 */
export function readRegistries(text: string | undefined, allowLiteral: boolean): RegistryInput[] {
  if (!text) return []
  const fail = (why: string): never => {
    throw new LongshoreError('config-invalid', `LONGSHORE_REGISTRIES ${why}`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    fail('is not JSON; write a list such as [{"host":"registry.example"}]')
  }
  const parsed = z.array(fixedSchema).safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return fail(`is not valid at /${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`)
  }
  for (const input of parsed.data)
    if (!allowLiteral && input.credentials && 'password' in input.credentials)
      fail(`holds a literal password for ${input.host}; put it into Secrets Manager and write {"secret": "its name"}`)
  return parsed.data
}

export function registryObjects(ports: {
  store: Store
  secrets: SecretStore
  fixed: RegistryInput[]
}): RegistryObjects {
  const { store, secrets } = ports
  const fixed = new Map(ports.fixed.map((input) => [input.host, input]))

  const shown = (input: RegistryInput, source: RegistryObject['source']): RegistryObject => {
    const { credentials, ...rest } = input
    const open = credentials && 'password' in credentials ? { username: credentials.username } : credentials
    return { ...rest, ...(open ? { credentials: open } : {}), source }
  }
  const stored = async (tenant: string, host: string): Promise<RegistryObject | undefined> => {
    const item = await store.get(registryKey(tenant, host))
    return item ? objectOfItem(item) : undefined
  }
  const storedWithBudget = async (tenant: string, host: string, seeBudget: (item: Item | undefined) => void) => {
    const [own, budget] = [registryKey(tenant, host), budgetKey(tenant, host)]
    const items = await store.getMany([own, budget])
    seeBudget(items.find(({ pk }) => pk === budget.pk))
    const item = items.find(({ pk }) => pk === own.pk)
    return item && objectOfItem(item)
  }
  const secretCredentials = async (name: string, host: string): Promise<Credentials> => {
    const secret = await secrets.get(name)
    if (!secret)
      throw new LongshoreError('registry-unauthorized', `the secret "${name}" of registry ${host} does not exist`)
    return basicOf(secret, name)
  }
  return {
    async list(tenant) {
      const items: Item[] = []
      const query = { pk: `R#${tenant}`, limit: 1_000 }
      for (let page = await store.query(query); ; page = await store.query({ ...query, cursor: page.cursor })) {
        items.push(...page.items)
        if (page.cursor === undefined) break
      }
      const own = items.map(objectOfItem).filter(({ host }) => !fixed.has(host))
      return [...[...fixed.values()].map((input) => shown(input, 'environment')), ...own].sort((a, b) =>
        a.host < b.host ? -1 : 1,
      )
    },
    async get(tenant, host) {
      const input = fixed.get(normalizeHost(host))
      const found = input ? shown(input, 'environment') : await stored(tenant, normalizeHost(host))
      if (!found)
        throw new LongshoreError(
          'registry-not-found',
          `there is no registry object for ${host.slice(0, 100)}; PUT /v1/registries/{host} makes one`,
        )
      return found
    },
    async put(tenant, input) {
      const { host, credentials } = input
      if (fixed.has(host))
        throw new LongshoreError(
          'conflict',
          `registry ${host} is set by LONGSHORE_REGISTRIES and cannot be changed here`,
        )
      if (credentials && 'password' in credentials)
        await secrets.put(
          secretName(tenant, host),
          new Secret(JSON.stringify({ username: credentials.username, password: credentials.password })),
        )
      const object = shown({ ...input, host }, 'api')
      await store.put({
        ...(JSON.parse(JSON.stringify(object)) as { [name: string]: Json }),
        ...registryKey(tenant, host),
        v: 1,
      } as Item)
      // A password that nothing points to any more does not stay behind, also of a request that was cut here.
      if (!hasOwnSecret(object)) await secrets.delete(secretName(tenant, host))
      return object
    },
    async remove(tenant, host) {
      const object = await this.get(tenant, host)
      if (object.source === 'environment')
        throw new LongshoreError(
          'conflict',
          `registry ${object.host} is set by LONGSHORE_REGISTRIES and cannot be removed here`,
        )
      // In this order: as long as the object is there, whoever was cut here can ask again.
      if (hasOwnSecret(object)) await secrets.delete(secretName(tenant, object.host))
      await store.delete(registryKey(tenant, object.host))
    },
    async find(tenant, host, seeBudget = () => {}) {
      const input = fixed.get(host)
      const object = input ? shown(input, 'environment') : await storedWithBudget(tenant, host, seeBudget)
      if (!object) return undefined
      const { credentials: place, source: _source, ...registry } = object
      if (input?.credentials && 'password' in input.credentials)
        return {
          ...registry,
          credentials: {
            type: 'basic',
            username: input.credentials.username,
            password: new Secret(input.credentials.password),
          },
        }
      if (!place) return registry
      if ('type' in place) return { ...registry, credentials: place }
      const name = 'secret' in place ? place.secret : secretName(tenant, host)
      // Of a time when that was not refused.
      if (!input && 'secret' in place && isOfTheApi(name))
        throw new LongshoreError(
          'registry-unauthorized',
          `registry ${host} names the password of another one ("${name}"); PUT /v1/registries/{host} with its own`,
        )
      return { ...registry, credentials: await secretCredentials(name, host) }
    },
  }
}

/** Its password was given to the API and stands in the secret store under the host's name. */
const hasOwnSecret = (object: RegistryObject | undefined): boolean =>
  object?.credentials !== undefined && 'username' in object.credentials

const objectOfItem = (item: Item): RegistryObject => {
  const { pk: _pk, sk: _sk, v: _v, ...object } = item
  return object as unknown as RegistryObject
}

/** `{"username","password"}` as JSON, or `username:password`. The error names the secret, never its value. */
function basicOf(secret: Secret, name: string): Credentials {
  const value = secret.reveal()
  const parsed = z.object({ username: z.string(), password: z.string() }).safeParse(
    (() => {
      try {
        return JSON.parse(value)
      } catch {
        const colon = value.indexOf(':')
        return colon > 0 ? { username: value.slice(0, colon), password: value.slice(colon + 1) } : undefined
      }
    })(),
  )
  if (!parsed.success)
    throw new LongshoreError(
      'registry-unauthorized',
      `the secret "${name}" is neither {"username","password"} as JSON nor username:password`,
    )
  return { type: 'basic', username: parsed.data.username, password: new Secret(parsed.data.password) }
}
