/**
 * ajv's problems in our words: one message per problem, values and ranges by name, "did you mean" for known words.
 *
 * Pure.
 */
import type { SpecIssue } from '../errors.js';
import { append, asPointer, type JsonPointer } from '../util/pointer.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';
import { issue, lookup } from './issues.js';
import type { SchemaProblem } from './validators.gen.js';

const TYPES: { readonly [type: string]: string } = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  boolean: 'true or false',
};

/** More allowed values than this are not all named in a message. */
const NAMED_VALUES = 8;

/** root: the document's value, to show what was there. */
export function schemaIssue(problem: SchemaProblem, root: unknown): SpecIssue {
  const path = asPointer(problem.instancePath);
  const value = lookup(root, path);
  const { params } = problem;
  switch (problem.keyword) {
    case 'required':
      return issue('REQUIRED', append(path, String(params['missingProperty'])), 'is required and missing');
    case 'type':
      return issue('WRONG_TYPE', path, `must be ${TYPES[String(params['type'])]}`, { value });
    case 'enum':
      return unknownValue(path, value, params['allowedValues'] as readonly string[]);
    case 'integer':
      return integerIssue(path, value, `${params['min']}..${params['max']}`);
    case 'maxItems':
      return issue('TOO_MANY', path, `has too many entries (max ${params['limit']})`, { value });
    default:
      throw new Error(`no words for the schema keyword ${quote(problem.keyword)}`);
  }
}

function unknownValue(path: JsonPointer, value: unknown, allowed: readonly string[]): SpecIssue {
  const all = allowed.length <= NAMED_VALUES ? ` (want one of ${allowed.join(', ')})` : '';
  return issue('UNKNOWN_VALUE', path, `is not supported${all}`, { value, hint: didYouMean(value, allowed) });
}

function integerIssue(path: JsonPointer, value: unknown, range: string): SpecIssue {
  const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
  if (whole) return issue('OUT_OF_RANGE', path, `out of range ${range}`, { value });
  const quoted = typeof value === 'string' && /^-?[0-9]+$/.test(value);
  return issue('NOT_INTEGER', path, 'not an integer', { value, hint: quoted ? 'write it without quotes' : undefined });
}
