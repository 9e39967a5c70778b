// Runs tap test files: bundles them with esbuild (a tenth of a second each, against one for a TypeScript loader), runs
// them as plain node programs that print TAP, and counts. `npx tap FILE` runs one the long way, with coverage.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { captureAsync, cleanEnv, ROOT } from './run.mjs';

const OUT = 'build/test';

/** Returns where each file was bundled to. more: further plugins of esbuild. */
export async function bundleTests(files, more = []) {
  const esbuild = await import('esbuild');
  await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: files.map((file) => ({ in: file, out: file.replace(/\.ts$/, '') })),
    outdir: OUT,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'warning',
    plugins: [sourceUrl, ...more],
  });
  return new Map(files.map((file) => [file, join(ROOT, OUT, file.replace(/\.ts$/, '.mjs'))]));
}

/** Gives each module the import.meta.url of its source, so that relative paths mean the same in the bundle. */
const sourceUrl = {
  name: 'source-url',
  setup(build) {
    build.onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      if (!source.includes('import.meta.url')) return undefined;
      const url = JSON.stringify(pathToFileURL(path).href);
      return { contents: source.replaceAll('import.meta.url', url), loader: 'ts', resolveDir: dirname(path) };
    });
  },
};

/** Runs the files, `jobs` at a time. Results: { file, passed, failures: [], skips: [], seconds }. */
export async function runTests(files, { jobs = 2, timeout = 120, env = {}, onFile = () => {} } = {}) {
  if (files.length === 0) return [];
  const bundles = await bundleTests(files);
  const queue = [...files];
  const results = [];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runFile(file, bundles.get(file), timeout, env);
      results.push(result);
      onFile(result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

/**
 * Runs the files in one boot of the QEMU kernel, one after the other. A kernel that ends before they are done fails the
 * file it was at, and those behind it are not run.
 */
export async function runSystemTests(files, { boot, timeout = 600, env = {}, onFile = () => {} } = {}) {
  if (files.length === 0) return;
  const bundles = await bundleTests(files);
  const { runVm } = await import('../vm.mjs');
  const share = mkdtempSync(join(tmpdir(), 'tsrun-systems-'));
  const variables = { ...env, TAP_TIMEOUT: String(timeout), ...runtimeVariable() };
  let done = 0;
  let begin = Date.now();
  let pending = Promise.resolve();
  const finish = (child) => {
    const file = files[done++];
    const seconds = (Date.now() - begin) / 1000;
    begin = Date.now();
    pending = pending.then(async () =>
      onFile(judge({ ...(await readTap(file, child.output)), seconds }, child, timeout)),
    );
  };
  const lines = lineReader((line) => {
    if (/^\d+ ended/.test(line)) finish(endedInVm(join(share, String(done))));
    if (line === 'begin') begin = Date.now();
  });
  try {
    const script = systemScript(
      files.map((file) => bundles.get(file)),
      timeout,
    );
    const { status, stderr, console } = await runVm(['sh', '-c', script], {
      ...{ kernel: 'qemu', boot, timeout: timeout * files.length, share, env: variables },
      onOutput: (text, stream) => stream === 'stdout' && lines(text),
    });
    if (done < files.length) finish({ status, output: `${stderr}\n${console}`, timedOut: status === 124 });
    await pending;
  } finally {
    rmSync(share, { recursive: true, force: true });
  }
}

/** Says "begin", then for each file that it ended; the files' TAP, errors and status are left in the share. */
function systemScript(bundles, timeout) {
  const step = (bundle, index) => `timeout -k 5 ${timeout} '${process.execPath}' --enable-source-maps '${bundle}' \
    </dev/null >/mnt/${index}.tap 2>/mnt/${index}.err; echo $? >/mnt/${index}.status; echo ${index} ended`;
  return ['echo begin', ...bundles.map(step)].join('\n');
}

function endedInVm(place) {
  const status = Number(readFileSync(`${place}.status`, 'utf8'));
  const errors = status === 0 ? '' : readFileSync(`${place}.err`, 'utf8');
  return { status, output: readFileSync(`${place}.tap`, 'utf8') + errors, timedOut: status === 124 };
}

function lineReader(onLine) {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}

async function runFile(file, bundle, timeout, env) {
  const begin = Date.now();
  const program = ['--enable-source-maps', bundle];
  const variables = { ...env, TAP_TIMEOUT: String(timeout) };
  const child = file.endsWith('.vm.test.ts')
    ? await inVm([process.execPath, ...program], timeout, variables)
    : await captureAsync(process.execPath, program, { timeout: timeout * 1000, env: cleanEnv(variables) });
  return judge({ ...(await readTap(file, child.output)), seconds: (Date.now() - begin) / 1000 }, child, timeout);
}

/** The result, with how the process ended. */
export function judge(result, child, timeout) {
  const { file } = result;
  if (child.timedOut)
    result.failures.push({ name: `${file}: not done after ${timeout} s`, detail: tail(child.output) });
  else if (child.status !== 0 && result.failures.length === 0) {
    result.failures.push({ name: `${file}: ended with status ${child.status}`, detail: tail(child.output) });
  }
  return result;
}

/** *.vm.test.ts run inside user-mode Linux: see vm.mjs. */
async function inVm(argv, timeout, variables) {
  const { runVm } = await import('../vm.mjs');
  const env = { ...variables, ...runtimeVariable() };
  try {
    const { status, stdout, stderr, console } = await runVm(argv, { timeout, env, modules: ['loop'] });
    return {
      status,
      output: stdout + (status === 0 ? '' : stderr + (status === 125 ? console : '')),
      timedOut: status === 124,
    };
  } catch (error) {
    return { status: 125, output: error.message, timedOut: false };
  }
}

function runtimeVariable() {
  return process.env.RUNTIME ? { RUNTIME: process.env.RUNTIME } : {};
}

const newResult = (file) => ({ file, passed: 0, failures: [], skips: [], seconds: 0 });

/** Counts TAP text: a test is a subtest without subtests of its own, or an assertion outside of any; skips count too. */
export async function readTap(file, text) {
  const result = newResult(file);
  await parseTap(text, (parser) => collect(parser, [], () => result));
  return result;
}

/** The same of the TAP of several files, each behind a comment with its name; seconds are those of its tests. */
export async function readTaps(text, marker) {
  const results = [];
  const current = () => results.at(-1) ?? newResult('');
  await parseTap(text, (parser) => {
    parser.on('comment', (comment) => {
      if (comment.startsWith(`# ${marker}`)) results.push(newResult(comment.slice(marker.length + 2).trim()));
    });
    parser.on('assert', ({ time }) => {
      current().seconds += (time ?? 0) / 1000;
    });
    collect(parser, [], current);
  });
  return results;
}

async function parseTap(text, listen) {
  const { Parser } = await import('tap-parser');
  const parser = new Parser();
  listen(parser);
  parser.end(text);
}

/** of: the result that the next lines count for. */
function collect(parser, names, of) {
  const level = { subtests: 0 };
  let ended; // the subtest whose closing line comes next
  parser.on('child', (child) => {
    level.subtests++;
    ended = collect(child, [...names, child.name], of);
  });
  parser.on('assert', (assert) => {
    const subtest = ended;
    ended = undefined;
    const path = [...names, assert.name].filter(Boolean);
    const counts = subtest ? subtest.subtests === 0 : names.length === 0;
    const result = of();
    if (assert.skip) result.skips.push({ name: path.join(' › '), reason: assert.skip === true ? '' : assert.skip });
    else if (assert.todo) return;
    else if (!assert.ok) recordFailure(assert, path, result);
    else if (counts) result.passed++;
  });
  return level;
}

/** A failed subtest is reported once, by the assertion in it that failed. */
function recordFailure(assert, path, result) {
  const known = result.failures.some((failure) => failure.name.startsWith(path.join(' › ')));
  if (known) return;
  result.failures.push({ name: path.join(' › '), detail: assert.diag ? explain(assert.diag) : '' });
}

/** Where, the line itself, and what differed. */
function explain({ at, source, diff, ...rest }) {
  const where = at?.fileName ? `${at.fileName}:${at.lineNumber}` : '';
  const values =
    diff ?? JSON.stringify(rest, ['found', 'wanted', 'doNotWant', 'pattern', 'leaks', 'signal', 'exitCode'], 2);
  return [where, source, values].filter(Boolean).join('\n');
}

function tail(text) {
  return text.split('\n').slice(-40).join('\n');
}
