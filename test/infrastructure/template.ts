/** The packaged CloudFormation template, as far as the tests read it. Resources are found by name, not by logical id. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value }

interface Resource {
  Type: string
  Properties: { [name: string]: Value }
}

export interface Template {
  Resources: { [logicalId: string]: Resource }
}

export interface Found {
  id: string
  properties: { [name: string]: Value }
}

/** What the names of everything begin with: service and stage. */
export const PREFIX = 'longshore-dev-'

export function ofType(template: Template, type: string): Found[] {
  return Object.entries(template.Resources)
    .filter(([, resource]) => resource.Type === type)
    .map(([id, { Properties }]) => ({ id, properties: Properties }))
}

const named = (template: Template, type: string, property: string, name: string): Found | undefined =>
  ofType(template, type).find(({ properties }) => properties[property] === PREFIX + name)

export const queueNamed = (template: Template, name: string) => named(template, 'AWS::SQS::Queue', 'QueueName', name)
export const functionNamed = (template: Template, name: string) =>
  named(template, 'AWS::Lambda::Function', 'FunctionName', name)

/** The logical id behind `Ref` or `Fn::GetAtt`; undefined for anything else. */
export function referredTo(value: Value | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  if (typeof value.Ref === 'string') return value.Ref
  const attribute = value['Fn::GetAtt']
  return Array.isArray(attribute) && typeof attribute[0] === 'string' ? attribute[0] : undefined
}

export const list = (value: Value | undefined): Value[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]

export const at = (value: Value | undefined, ...path: string[]): Value | undefined =>
  path.reduce<Value | undefined>(
    (inner, name) => (typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner[name] : undefined),
    value,
  )

/** The event source mapping of a function and a queue. */
export function mappingOf(template: Template, queue: Found, consumer: Found): Found | undefined {
  return ofType(template, 'AWS::Lambda::EventSourceMapping').find(
    ({ properties }) =>
      referredTo(properties.EventSourceArn) === queue.id && referredTo(properties.FunctionName) === consumer.id,
  )
}
