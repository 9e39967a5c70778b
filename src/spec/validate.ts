/**
 * config.json, process.json and resources as documents to the values that compile may trust. Everything that can be
 * judged without the host is judged here, and all of it is reported at once, in the order of the file.
 *
 * Pure. Takes the document's value over: 64-bit integers in it become bigint, defaults are filled in.
 */
import { SpecError } from '../errors.js';
import { asPointer } from '../util/pointer.js';
import { type Issues, noIssues, placed } from './issues.js';
import { mergeResources } from './merge.js';
import type { SourceDocument } from './read.js';
import { type Rule, runRules } from './rule.js';
import { configRules } from './rules/config.js';
import { processRules } from './rules/process.js';
import { resourcesRules } from './rules/resources.js';
import { schemaIssue } from './schema-issues.js';
import { normalise } from './shape.js';
import type { Config, LinuxResources, Process } from './types.gen.js';
import type { Reading, Validated, ValidProcess, ValidResources, ValidSpec } from './valid.js';
import {
  validateConfig as configSchema,
  validateProcess as processSchema,
  validateLinuxResources as resourcesSchema,
  type SchemaValidator,
} from './validators.gen.js';

export type { Validated } from './valid.js';

/** A document that passed the schema at least in the parts that the rules look at. */
interface Checked {
  readonly document: SourceDocument;
  readonly issues: Issues;
  readonly rules: <Root>(rules: readonly Rule<Root>[], root: Root | undefined, base: string) => void;
}

/** config.json. Throws SpecError with all issues. */
export function validateConfig(document: SourceDocument, reading: Reading = {}): Validated<ValidSpec> {
  const checked = check(document, 'Config', configSchema, reading);
  const config = fields<Config>(document.value);
  checked.rules(configRules, config, '');
  checked.rules(processRules, config.process, '/process');
  checked.rules(resourcesRules, fields<Config['linux']>(config.linux)?.resources, '/linux/resources');
  return verdict<ValidSpec>(checked);
}

/** The process object alone: the file of exec --process. Throws SpecError with all issues. */
export function validateProcess(document: SourceDocument): Validated<ValidProcess> {
  const checked = check(document, 'Process', processSchema);
  checked.rules(processRules, fields<Process>(document.value), '');
  return verdict<ValidProcess>(checked);
}

/**
 * The resources object alone: what update is asked for. Limits that depend on each other are judged together with those
 * the container has. Throws SpecError with all issues.
 */
export function validateResources(document: SourceDocument, current: LinuxResources = {}): Validated<ValidResources> {
  const checked = check(document, 'LinuxResources', resourcesSchema);
  const named = fields<LinuxResources>(document.value);
  const sound = checked.issues.errors.length === 0;
  checked.rules(resourcesRules, sound ? mergeResources(current, named) : named, '');
  return verdict<ValidResources>(checked);
}

function check(document: SourceDocument, shape: string, schema: SchemaValidator, reading: Reading = {}): Checked {
  const issues = noIssues();
  issues.warnings.push(...(document.warnings ?? []));
  normalise(document.value, shape, issues, reading);
  const problems = schema(document.value) ? [] : (schema.errors ?? []);
  issues.errors.push(...problems.map((problem) => schemaIssue(problem, document.value)));
  const refused = issues.errors.map(({ path }) => path);
  return {
    document,
    issues,
    rules: (rules, root, base) => {
      if (root !== undefined) runRules(rules, { root, base: asPointer(base), refused, issues });
    },
  };
}

/** The document's value as the type its schema describes; the rules' driver skips what the schema refused. */
const fields = <T>(value: unknown): T => (typeof value === 'object' && value !== null ? value : {}) as T;

function verdict<T>({ document, issues }: Checked): Validated<T> {
  const warnings = placed(issues.warnings, document);
  if (issues.errors.length > 0) throw new SpecError(placed(issues.errors, document), document.name, warnings);
  return { value: document.value as T, warnings };
}
