/** The AWS SDK's variables, set so that nothing of the user's own AWS account is needed, read or used. */

/** Chosen by the user on purpose: other servers in place of the embedded ones. */
const KEPT = ['AWS_ENDPOINT_URL_DYNAMODB', 'AWS_ENDPOINT_URL_SQS']

/**
 * Removes every `AWS_*` variable (keys, session tokens, profiles, roles, endpoints, proxies, retry modes), sets local
 * ones, and points the SDK's files to a place where there are none, so that `~/.aws/config` says nothing either.
 */
export function useLocalAws(env: Record<string, string | undefined>, region: string): void {
  for (const name of Object.keys(env)) if (name.startsWith('AWS_') && !KEPT.includes(name)) delete env[name]
  Object.assign(env, {
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_REGION: region,
    AWS_CONFIG_FILE: '/nonexistent/longshore/config',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/longshore/credentials',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  })
}
