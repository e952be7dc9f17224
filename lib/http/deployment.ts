/** What the variables of a deployment say about its API. */
import type { Variables } from '../variables.ts'
import { VERSION } from '../version.ts'
import type { ApiEnvironment } from './server.ts'

/**
 * LONGSHORE_DEFAULT_REGISTRY   the registry of the seed routes
 * LONGSHORE_HOSTS              comma list of `host:port` that requests may name
 */
export function deploymentOf(
  variables: Variables,
): Pick<ApiEnvironment, 'defaultRegistry' | 'hosts' | 'version' | 'tenantOf'> {
  return {
    defaultRegistry: variables.LONGSHORE_DEFAULT_REGISTRY,
    version: VERSION,
    ...(variables.LONGSHORE_HOSTS ? { hosts: variables.LONGSHORE_HOSTS.split(',') } : {}),
    // One deployment is one tenant: whoever API Gateway lets in works on its data.
    tenantOf: () => 'main',
  }
}
