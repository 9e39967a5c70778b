// Builds build/Release/tsrun.node and build/Release/tsrun-executor with cmake-js; bin/tsrun is a copy of the latter. npm's
// install script, so that npm never falls back to node-gyp (binding.gyp), which would want to download headers. Fetches
// nothing: binary.napi_versions in package.json makes cmake-js take the headers of node-api-headers.
//   --tests         also builds the unit tests and fuzzers of csrc/test (build/Release/test)
//   --placeholder   only makes a bin/tsrun that says it is not built: npm makes its link to bin/tsrun before it runs the
//                   install script, and makes none to what is not there
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { capture, cleanEnv, fail, hasCommand, ROOT } from './lib/run.mjs';

const TOOLS = [
  { found: () => hasCommand('cc'), package: 'gcc', what: 'a C compiler' },
  { found: () => hasCommand('c++'), package: 'g++', what: 'a C++ compiler' },
  { found: () => hasCommand('make') || hasCommand('ninja'), package: 'make', what: 'make' },
  { found: () => hasCommand('cmake'), package: 'cmake', what: 'cmake' },
  { found: () => hasCommand('pkg-config'), package: 'pkg-config', what: 'pkg-config' },
  {
    found: () => existsSync('/usr/lib/libc.a') || capture('cc', ['-print-file-name=libc.a']).stdout.includes('/'),
    package: 'libc6-dev',
    what: 'the static C library',
  },
  {
    found: () => !hasCommand('pkg-config') || capture('pkg-config', ['--exists', 'libseccomp']).status === 0,
    package: 'libseccomp-dev',
    what: 'libseccomp with its headers',
  },
];

const PROGRAM = join(ROOT, 'bin/tsrun');

if (process.argv.includes('--placeholder')) {
  const text = `#!/bin/sh\necho "tsrun: not built: run 'npm ci && npm run build' in ${ROOT}" >&2\nexit 1\n`;
  if (!existsSync(PROGRAM)) place((path) => writeFileSync(path, text));
  process.exit(0);
}

const missing = TOOLS.filter((tool) => !tool.found());
if (missing.length > 0) {
  fail(
    `tsrun: cannot build its native parts, missing: ${missing.map((tool) => tool.what).join(', ')}\n` +
      `  Debian, Ubuntu: apt-get install ${missing.map((tool) => tool.package).join(' ')}\n` +
      '  then:           npm run build:native',
  );
}

const cmakeJs = locateCmakeJs();
const tests = process.argv.includes('--tests') ? 'ON' : 'OFF';
const begin = Date.now();
// Not `compile`: after an error it would start again from nothing and report everything twice.
for (const step of ['configure', 'build']) {
  const args = [cmakeJs, step, '--out', 'build/cmake', '-l', 'error', '-p', '2', `--CDTSRUN_TESTS=${tests}`];
  args.push(`--CDTSRUN_NODE=${process.execPath}`);
  const { status, stdout, stderr } = capture(process.execPath, args, { env: cleanEnv() });
  if (status !== 0) fail(`${stdout}${stderr}\ntsrun: the native build failed (${step}): see above`, status);
}
place((path) => copyFileSync(join(ROOT, 'build/Release/tsrun-executor'), path));
process.stdout.write(`native parts built in ${((Date.now() - begin) / 1000).toFixed(1)} s: build/Release, bin/tsrun\n`);

/** A tsrun that runs meanwhile keeps its file. */
function place(write) {
  const temporary = `${PROGRAM}.${process.pid}`;
  mkdirSync(join(ROOT, 'bin'), { recursive: true });
  write(temporary);
  chmodSync(temporary, 0o755);
  renameSync(temporary, PROGRAM);
}

function locateCmakeJs() {
  try {
    const require = createRequire(join(ROOT, 'package.json'));
    return join(require.resolve('cmake-js/package.json'), '../bin/cmake-js');
  } catch {
    return fail('tsrun: cmake-js is not installed: run npm ci');
  }
}
