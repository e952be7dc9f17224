/** What is used of the SDK's ECR client: named here, so that a bundle holds this one command and loads it when asked. */
export { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr'
