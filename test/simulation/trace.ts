export { history } from './history.ts'
export { scriptOf } from './script.ts'
