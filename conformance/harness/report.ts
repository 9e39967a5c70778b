/** Results as TAP 14, JSON, Markdown or JUnit XML. Pure. */
import type { Requirement, Result } from './model.js';

export type Format = 'tap' | 'json' | 'markdown' | 'junit';
export const FORMATS: readonly Format[] = ['tap', 'json', 'markdown', 'junit'];

export interface Report {
  readonly runtime: string;
  readonly results: readonly Result[];
  readonly requirements: ReadonlyMap<string, Requirement>;
  readonly seconds: number;
  /** What ran, and where: "runc version 1.1.5", "Linux 6.1.0, cgroup v2". */
  readonly version: string;
  readonly host: string;
}

const PRINTERS: { readonly [format in Format]: (report: Report) => string } = {
  tap: printTap,
  json: printJson,
  markdown: printMarkdown,
  junit: printJunit,
};

export function printReport(format: Format, report: Report): string {
  return PRINTERS[format](report);
}

export function count(results: readonly Result[]) {
  const of = (status: Result['status']): number => results.filter((result) => result.status === status).length;
  return { passed: of('passed'), failed: of('failed'), skipped: of('skipped') };
}

const title = ({ id, requirement }: Result, requirements: Report['requirements']): string => {
  const known = requirements.get(requirement);
  return known === undefined ? id : `${id}: ${known.text} [${known.level}, ${known.section}]`;
};

const oneLine = (text: string): string => text.replaceAll('\n', ' ').trim();

function printTap({ results, requirements }: Report): string {
  const lines = results.map((result, index) => {
    const name = oneLine(title(result, requirements)).replaceAll('#', '\\#');
    if (result.status === 'skipped') return `ok ${index + 1} - ${name} # SKIP ${oneLine(result.detail)}`;
    if (result.status === 'passed') return `ok ${index + 1} - ${name}`;
    return `not ok ${index + 1} - ${name}\n  ---\n  message: ${JSON.stringify(result.detail)}\n  ...`;
  });
  return ['TAP version 14', `1..${results.length}`, ...lines, ''].join('\n');
}

function printJson({ runtime, version, host, results, requirements, seconds }: Report): string {
  const full = results.map((result) => {
    const { section, level, text } = requirements.get(result.requirement) ?? {};
    return { ...result, section, level, text };
  });
  return `${JSON.stringify({ runtime, version, host, seconds, ...count(results), results: full }, null, 1)}\n`;
}

const cell = (text: string): string => oneLine(text).replaceAll('|', '\\|').replaceAll('<', '&lt;');

function printMarkdown({ runtime, version, host, results, requirements }: Report): string {
  const { passed, failed, skipped } = count(results);
  const rows = results.map((result) => {
    const { level = '', section = '', text = '' } = requirements.get(result.requirement) ?? {};
    return `| ${result.id} | ${level} | ${section} | ${cell(text)} | ${result.status} | ${cell(result.detail)} |`;
  });
  const head = ['| case | level | section | requirement | result | seen |', '|---|---|---|---|---|---|'];
  const counts = `${passed} passed, ${failed} failed, ${skipped} skipped.`;
  return [`# ${runtime}`, '', `${cell(version)} on ${host}: ${counts}`, '', ...head, ...rows, ''].join('\n');
}

const xml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;')
    .replace(/[^\t\n\r\x20-\uffff]/g, '?');

function printJunit({ runtime, results, requirements, seconds }: Report): string {
  const { failed, skipped } = count(results);
  const cases = results.map((result) => {
    const open = `<testcase classname="${xml(result.id.split('.')[0] ?? '')}" name="${xml(title(result, requirements))}"`;
    if (result.status === 'passed') return `${open}/>`;
    const tag = result.status === 'failed' ? 'failure' : 'skipped';
    return `${open}><${tag} message="${xml(result.detail)}"/></testcase>`;
  });
  const counts = `tests="${results.length}" failures="${failed}" skipped="${skipped}" time="${seconds.toFixed(1)}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="${xml(runtime)}" ${counts}>\n${cases.join('\n')}\n</testsuite>\n`;
}
