// The levels of testing, by what they need: checks and unit tests (nothing), C tests (a compiler), integration (root),
// engines (containerd, Podman, Docker), images (a registry, skopeo, umoci, buildah), daemon (dockerd, clients of Docker),
// limits (user-mode Linux: cgroup v2 alone, SELinux), systems (a Debian with systemd on a kernel of its own). Each
// returns a Tally.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checks } from './checks/index.mjs';
import { listFiles } from './files.mjs';
import { bold, capture, captureAsync, cleanEnv, dim, green, ROOT, red } from './run.mjs';
import { runSystemTests, runTests } from './testing.mjs';
import { runTogether } from './together.mjs';
import { ensureImage } from './vm-image.mjs';

/** Where the tests of a level are; all others need no privilege. */
const DIRECTORIES = {
  integration: ['test/integration', 'test/security'],
  engines: ['test/engines'],
  images: ['test/images'],
  daemon: ['test/daemon-live'],
  limits: ['test/limits'],
  conformance: ['test/conformance'],
};
const OWN_LEVEL = Object.values(DIRECTORIES).flat();
/** These run in user-mode Linux, wherever they are. */
const VM_TEST = '.vm.test.ts';
/** These run in the QEMU kernel, wherever they are: all of one kind, "qemu" or "qemu-hybrid", in one boot. */
const SYSTEM_TEST = /\.qemu(?:-(\w+))?\.test\.ts$/;

export function newTally() {
  return { passed: 0, failed: 0, skipped: 0 };
}

export function addTally(sum, more) {
  for (const key of Object.keys(sum)) sum[key] += more[key];
  return sum;
}

/** Checks and unit tests together: what `npm run ok` does. Returns the number of failures. */
export async function runChecks({ fix = false } = {}) {
  const tally = await staticChecks({ fix });
  addTally(tally, await unitTests());
  return tally.failed;
}

export async function staticChecks({ fix = false } = {}) {
  const tally = newTally();
  title('checks');
  for (const check of checks({ fix })) {
    const begin = Date.now();
    const { offenders, advice = [], skipped } = await check.run();
    const seconds = (Date.now() - begin) / 1000;
    if (skipped) tally.skipped++;
    else if (offenders.length > 0) tally.failed++;
    else tally.passed++;
    line(skipped ? 'skip' : offenders.length > 0 ? 'FAIL' : 'ok', check.name, seconds, skipped);
    for (const offender of offenders) process.stdout.write(`      ${offender}\n`);
    for (const hint of advice) process.stdout.write(dim(`      advice: ${hint}\n`));
  }
  return tally;
}

/** Tests of the command line run the bundle: one of older sources would be judged by newer tests. */
export async function unitTests() {
  capture(process.execPath, ['scripts/build.mjs', '--bundle-only', '--if-possible']);
  const files = listFiles(['test', 'conformance'], ['.test.ts']).filter(
    (path) => !OWN_LEVEL.some((place) => path.startsWith(`${place}/`)) && !SYSTEM_TEST.test(path),
  );
  return tapLevel('unit and golden tests', files, { jobs: 2, timeout: 120 }, runTogether);
}

export async function levelTests(name, { jobs = 1, timeout = 300, env = {} } = {}) {
  const own = DIRECTORIES[name].map((place) => `${place}/`);
  const files = listFiles(['test', 'conformance'], ['.test.ts']).filter((path) => {
    if (SYSTEM_TEST.test(path)) return false;
    return path.endsWith(VM_TEST) ? name === 'limits' : own.some((place) => path.startsWith(place));
  });
  return tapLevel(`${name} tests`, files, { jobs, timeout, env });
}

/** The disk is made first, if it is not there: without a mirror the level is skipped. */
export async function systemTests(options = {}) {
  try {
    ensureImage();
  } catch (error) {
    return skipLevel('systems', `the disk of the QEMU kernel could not be made: ${error.message}`);
  }
  const files = listFiles(['test'], ['.test.ts']).filter((path) => SYSTEM_TEST.test(path));
  const bootOf = (path) => SYSTEM_TEST.exec(path)?.[1] ?? 'unified';
  return tapLevel('systems tests (QEMU)', files, options, async (_, more) => {
    for (const boot of new Set(files.map(bootOf))) {
      const together = files.filter((path) => bootOf(path) === boot);
      await runSystemTests(together, { ...more, boot });
    }
  });
}

async function tapLevel(name, files, options, runAll = runTests) {
  title(name);
  const tally = newTally();
  await runAll(files, {
    ...options,
    onFile: (result) => {
      addTally(tally, { passed: result.passed, failed: result.failures.length, skipped: result.skips.length });
      printFile(result);
    },
  });
  summary(tally);
  return tally;
}

function printFile({ file, passed, failures, skips, seconds }) {
  line(failures.length > 0 ? 'FAIL' : 'ok', file, seconds, `${passed} passed`);
  for (const { name, reason } of skips)
    process.stdout.write(`      skipped: ${name}: ${reason || 'no reason given'}\n`);
  for (const { name, detail } of failures) {
    process.stdout.write(`      ${red('failed')}: ${name}\n${indent(detail, 10)}`);
  }
}

/** Programs of csrc/test: test_* print their failures and exit 1; fuzz_* take a number of rounds. */
export async function nativeTests() {
  title('C tests and a short fuzz');
  const tally = newTally();
  const directory = join(ROOT, 'build/Release/test');
  const programs = existsSync(directory) ? readdirSync(directory).filter((name) => /^(test|fuzz)_\w+$/.test(name)) : [];
  for (const name of programs.sort()) {
    const begin = Date.now();
    const args = name.startsWith('fuzz_') ? ['-max_total_time=10', '-runs=200000'] : [];
    const corpus = join(ROOT, 'test/corpus', name);
    if (existsSync(corpus)) args.push(corpus);
    const { status, output } = await captureAsync(join(directory, name), args, { timeout: 120_000, env: cleanEnv() });
    if (status === 0) tally.passed++;
    else tally.failed++;
    line(status === 0 ? 'ok' : 'FAIL', name, (Date.now() - begin) / 1000);
    if (status !== 0) process.stdout.write(indent(output, 10));
  }
  summary(tally);
  return tally;
}

/** A whole level that cannot run here. */
export function skipLevel(name, reason) {
  title(`${name} tests`);
  line('skip', name, 0, reason);
  return { passed: 0, failed: 0, skipped: 1 };
}

function title(text) {
  process.stdout.write(`\n${bold(text)}\n`);
}

function summary({ passed, failed, skipped }) {
  process.stdout.write(dim(`  level: ${passed} passed, ${failed} failed, ${skipped} skipped\n`));
}

function line(status, name, seconds, note = '') {
  const paint = status === 'FAIL' ? red : status === 'ok' ? green : dim;
  const time = seconds >= 0.1 ? ` (${seconds.toFixed(1)} s)` : '';
  process.stdout.write(`  ${paint(status.padEnd(4))} ${name}${dim(`${time}${note ? `: ${note}` : ''}`)}\n`);
}

function indent(text, width) {
  if (!text) return '';
  return `${text
    .trimEnd()
    .split('\n')
    .map((row) => `${' '.repeat(width)}${row}`)
    .join('\n')}\n`;
}
