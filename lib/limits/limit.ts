/** One limit: its default, the range it may be set to, and the reason of the default. */
export interface Limit {
  default: number
  min: number
  max: number
  why: string
}

export const limit = (value: number, min: number, max: number, why: string): Limit => ({
  default: value,
  min,
  max,
  why,
})
