/** `tsrun check`: all that is wrong with a bundle, before anything is done with it. */
import type { Finding } from '../../runtime/check.js';
import { formatIssue } from '../../util/issue.js';
import { escapeControls } from '../../util/quote.js';
import { defineCommand } from '../command.js';
import { readTextOrJson } from '../format.js';
import { CREATE_OPTIONS, HELP_OPTION } from '../options.js';
import { print } from '../output.js';
import { issueFields } from '../report.js';
import { bundleOf } from './plan.js';

const CLEAN = 0;
const ERRORS = 1;
/** The check could not be made at all. */
const NOT_CHECKED = 2;
const WARNINGS = 3;

export interface Result {
  /** Absolute path that was checked. */
  readonly path: string;
  readonly document: string;
  readonly findings: readonly Finding[];
}

const count = ({ findings }: Result, level: Finding['level']): number =>
  findings.filter((finding) => finding.level === level).length;

const plural = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;

function textOf(result: Result): string {
  const lines = result.findings.flatMap(({ level, issue }) => [
    `${level}: ${formatIssue(issue, result.document)} [${issue.code}]`,
    ...(issue.hint === undefined ? [] : [`  hint: ${escapeControls(issue.hint)}`]),
  ]);
  const sums = `${plural(count(result, 'error'), 'error')}, ${plural(count(result, 'warning'), 'warning')}`;
  return [...lines, result.findings.length === 0 ? 'nothing to complain about' : sums, ''].join('\n');
}

function jsonOf(result: Result): string {
  const issues = result.findings.map(({ level, issue }) => issueFields(issue, level));
  const sums = { errors: count(result, 'error'), warnings: count(result, 'warning') };
  return `${JSON.stringify({ path: result.path, document: result.document, ...sums, issues }, undefined, 2)}\n`;
}

export function formatCheck(result: Result, format: 'text' | 'json'): string {
  return format === 'json' ? jsonOf(result) : textOf(result);
}

export function statusOf(result: Result): number {
  if (count(result, 'error') > 0) return ERRORS;
  return result.findings.length > 0 ? WARNINGS : CLEAN;
}

const asErrors = (findings: readonly Finding[]): Finding[] => findings.map(({ issue }) => ({ level: 'error', issue }));

export const check = defineCommand({
  name: 'check',
  summary: 'find everything that is wrong with a bundle',
  usage: '[bundle]',
  description: [
    'Reads, checks and compiles the config as create does and then looks whether this machine has what the plan needs:',
    'controllers, namespaces, file systems, mount sources, hooks. Nothing is made, written or started.',
    'Properties that the OCI specification does not have are warnings, because a runtime must ignore them.',
    'The exit status is 0 when there is nothing to complain about, 1 for errors, 3 for warnings alone, and 2 when the',
    'check could not be made.',
  ],
  examples: ['# tsrun check mybundle', '# tsrun check --format json --host facts.json mybundle'],
  args: [0, 1],
  options: {
    bundle: CREATE_OPTIONS.bundle,
    format: { kind: 'text', short: 'f', help: "'text' or 'json'", shownDefault: 'text' },
    host: { kind: 'text', help: 'check for the machine with these facts, a file of "tsrun features --host"' },
    strict: { kind: 'flag', help: 'take warnings for errors' },
    ...HELP_OPTION,
  },
  failureStatus: NOT_CHECKED,
  async run({ options, args, runtime, absolute, globals }) {
    const format = readTextOrJson(options.format);
    const path = bundleOf(options, args, absolute);
    const { checkBundle } = await import('../../runtime/check.js');
    const facts = options.host === undefined ? undefined : absolute(options.host);
    const { document, findings } = checkBundle(runtime, { path, facts, systemdCgroup: globals.systemdCgroup });
    const result = { path, document, findings: options.strict ? asErrors(findings) : findings };
    print(formatCheck(result, format));
    return statusOf(result);
  },
});
