/** Of this program, as /healthz and the OpenAPI document show it; a test keeps it equal to package.json. */
export const VERSION = '0.1.0'
