/**
 * The sentences of failed validations, for every schema that does not say its own. Importing this module sets them for
 * the whole program: the bundles strip zod's own words, which name neither the value nor the way out.
 */
import * as z from 'zod'
import { shownValue } from './shown-value.ts'

const EXPECTED: { [type: string]: string } = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a JSON object',
  record: 'a JSON object',
}

/** One sentence: what is wrong with the value, and what to write instead. Undefined: zod's own words. */
export function sentenceOf(issue: z.core.$ZodRawIssue): string | undefined {
  const { input } = issue
  switch (issue.code) {
    case 'invalid_type': {
      const expected = EXPECTED[issue.expected] ?? `a value of the type ${issue.expected}`
      if (input === undefined) return `this is required; write ${expected}`
      return Number.isNaN(input)
        ? `this is not a number; write ${expected} in digits`
        : `${shownValue(input)} is not ${expected}; write one`
    }
    case 'too_big':
    case 'too_small': {
      const large = issue.code === 'too_big'
      const bound = large ? issue.maximum : issue.minimum
      const border = issue.inclusive === false ? (large ? 'less than' : 'more than') : large ? 'at most' : 'at least'
      if (issue.origin === 'string' && typeof input === 'string')
        return input === ''
          ? 'the text is empty; write something'
          : `the text has ${input.length} characters; write ${border} ${bound}`
      if (Array.isArray(input)) return `the list has ${input.length} entries; write ${border} ${bound}`
      return `${shownValue(input)} is out of range; write a number of ${border} ${bound}`
    }
    case 'invalid_format':
      return `${shownValue(input)} does not have the form ${issue.pattern ?? issue.format}`
    case 'invalid_value':
      return `${shownValue(input)} is not known here; write ${issue.values.map((value) => String(value)).join(' or ')}`
    case 'invalid_union':
      return `${shownValue(input)} has none of the allowed forms; GET /openapi.json shows them`
    default:
      return undefined
  }
}

z.config({ customError: sentenceOf })
