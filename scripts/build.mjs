// Builds dist/ (the bundled CLI with its V8 code cache) and the native parts.
//   --bundle-only   leave the native parts alone
//   --if-possible   do nothing when esbuild is not installed (npm ci --omit=dev runs `prepare` as well)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { bundleConformance } from './lib/conformance.mjs';
import { capture, cleanEnv, fail, ROOT, run } from './lib/run.mjs';

const DIST = join(ROOT, 'dist');
const options = new Set(process.argv.slice(2));

/** What engines call all day has a file of its own, so that its start does not read what images and the daemon need. */
const HOT = ['create', 'delete', 'exec', 'kill', 'list', 'pause', 'ps', 'resume', 'run', 'start', 'state', 'update'];

/** CommonJS files: node reads them faster than ESM. */
async function bundle() {
  const esbuild = await import('esbuild').catch(() => undefined);
  if (!esbuild) {
    if (options.has('--if-possible')) process.exit(0);
    fail('tsrun: esbuild is not installed: run npm ci');
  }
  if (!existsSync(join(ROOT, 'src/main.ts'))) fail('tsrun: src/main.ts is missing');
  const results = await Promise.all([
    build(esbuild, 'src/main.ts', [hotCommands]),
    build(esbuild, 'src/main.ts'),
    build(esbuild, 'src/snapshot/unpack-worker.ts'),
    build(esbuild, 'src/daemon/index.ts'),
  ]);
  const [hot, whole, worker, daemon] = results.map(({ outputFiles }) => outputFiles[0].contents);
  mkdirSync(DIST, { recursive: true });
  const programs = { hot: named('hot', hot), whole: named('main', whole) };
  replaceFile(programs.hot, hot);
  replaceFile(programs.whole, whole);
  replaceFile('tsrun.cjs', loader(programs));
  replaceFile('unpack-worker.cjs', worker);
  replaceFile('daemon.cjs', daemon);
  const kept = Object.values(programs).map((name) => name.replace(/cjs$/, ''));
  for (const name of readdirSync(DIST)) {
    if (/^(main|hot)-/.test(name) && !kept.some((start) => name.startsWith(start))) rmSync(join(DIST, name));
  }
}

/** The hash keeps a program and its code cache together. */
function named(name, code) {
  return `${name}-${createHash('sha256').update(code).digest('hex').slice(0, 12)}.cjs`;
}

const WHOLE = "const whole = () => (require('./tsrun.cjs').startWhole(), new Promise(() => {}));\n";

/**
 * A command that is not hot, help and versions are matters of the whole program: it begins with the command line anew, and
 * never comes back from there. Two files share no classes, so that nothing of one could be thrown into the other.
 */
const hotCommands = {
  name: 'hot-commands',
  setup(build) {
    build.onLoad({ filter: /\/src\/cli\/commands\.ts$/ }, ({ path }) => {
      const row = /^( {2}\['([^']+)', )async \(\) => .*\],$/gm;
      const source = readFileSync(path, 'utf8');
      const contents = source.replace(row, (line, start, name) => (HOT.includes(name) ? line : `${start}whole],`));
      return { contents: WHOLE + contents, loader: 'ts', resolveDir: dirname(path) };
    });
    build.onLoad({ filter: /\/src\/cli\/commands\/(help|version)\.ts$/ }, ({ path }) => ({
      contents: `${WHOLE}export { whole as printHelp, whole as versionText };`,
      loader: 'ts',
      resolveDir: dirname(path),
    }));
    build.onResolve({ filter: /^\.\/collect\.js$/ }, ({ resolveDir }) => ({
      path: join(resolveDir, 'collect-plain.ts'),
    }));
    build.onResolve({ filter: /^\.\/tsrun\.cjs$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** esbuild prints its errors itself. */
function build(esbuild, entryPoint, plugins = []) {
  const options = {
    absWorkingDir: ROOT,
    entryPoints: [entryPoint],
    outfile: 'dist/main.cjs',
    write: false,
    bundle: true,
    minifyWhitespace: true, // not the names: errors show them
    minifySyntax: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    supported: { 'dynamic-import': false }, // require(): a script of node:vm has no loader for import()
    legalComments: 'none',
    logLevel: 'warning',
    define: { ...versionConstants(), 'import.meta.url': 'bundleUrl', ...NO_STDOUT },
    // For what yargs wants to know; the hot bundle has none.
    banner: plugins.length > 0 ? {} : { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    plugins: [...plugins, stubs, moduleUrl, ownBundle],
    external: ['lmdb'], // has a native part beside it in node_modules
  };
  return esbuild.build(options).catch(() => fail('tsrun: the bundle could not be built: see above'));
}

function versionConstants() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const commit = capture('git', ['describe', '--always', '--abbrev=12', '--dirty', '--exclude=*']).stdout.trim();
  return { __TSRUN_VERSION__: JSON.stringify(version), __TSRUN_COMMIT__: JSON.stringify(commit) };
}

/** A build that another one overtakes must not leave half a file: temporary name, then rename. */
function replaceFile(name, content) {
  const temporary = join(DIST, `.${name}.${process.pid}`);
  writeFileSync(temporary, content);
  renameSync(temporary, join(DIST, name));
}

/** Small, so that it is not worth caching. */
function loader({ hot, whole }) {
  return `'use strict';
const fs = require('node:fs');
const vm = require('node:vm');
// An engine's directory may be gone by now; node throws whenever anything asks for it.
try { process.cwd(); } catch { process.chdir('/'); }
function start(name) {
  const filename = __dirname + '/' + name;
  const cacheFile = filename.replace(/cjs$/, process.version + '.cache');
  let cachedData;
  try { cachedData = fs.readFileSync(cacheFile); } catch {}
  const source = fs.readFileSync(filename, 'latin1'); // esbuild writes ASCII
  const wrapper = '(function (exports, require, module, __filename, __dirname) {' + source + '\\n})';
  const script = new vm.Script(wrapper, { filename, cachedData });
  if (process.env.TSRUN_BUILD_CACHE === '1') {
    process.on('exit', () => {
      fs.writeFileSync(cacheFile + '.new', script.createCachedData());
      fs.renameSync(cacheFile + '.new', cacheFile);
    });
  }
  script.runInThisContext()(exports, require, module, filename, __dirname);
}
exports.startWhole = () => start('${whole}');
start('${hot}');
`;
}

/**
 * Runs both programs, so that V8 has compiled what a command needs, and keeps that as their code caches; each run adds to
 * the one before. The create fails, with or without root: there is no root file system. It comes with a question, as the
 * launcher would ask it (csrc/launcher/question.c), so that what keeps a plan is warm too.
 */
function warmCache() {
  const work = mkdtempSync(join(tmpdir(), 'tsrun-build-'));
  const env = cleanEnv({ TSRUN_BUILD_CACHE: '1', TSRUN_CACHE: join(work, 'cache') });
  const question = join(work, 'question');
  const start = (...args) => {
    const fd = existsSync(question) ? openSync(question) : 'ignore';
    spawnSync(process.execPath, [join(DIST, 'tsrun.cjs'), '--root', join(work, 'root'), ...args], {
      cwd: work,
      env: fd === 'ignore' ? env : { ...env, TSRUN_QUESTION: '3 0000000000000000-0' },
      stdio: ['ignore', 'ignore', 'ignore', fd],
      timeout: 20000,
    });
  };
  try {
    start('spec', ...(process.getuid() === 0 ? [] : ['--rootless']));
    const config = join(work, 'config.json');
    const asked = JSON.parse(readFileSync(config, 'utf8'));
    writeFileSync(config, JSON.stringify({ ...asked, process: { ...asked.process, terminal: false } }));
    start('plan', '--bundle', work);
    writeFileSync(question, `head\nbundle ${work}\n\n${readFileSync(config, 'utf8')}`);
    start('create', '--bundle', work, 'warm');
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** dist/man: tsrun.1 and a page of each command, from the tables of --help. */
function manPages() {
  rmSync(join(DIST, 'man'), { recursive: true, force: true });
  capture(process.execPath, [join(DIST, 'tsrun.cjs'), 'help', '--man', join(DIST, 'man')]);
}

/** yargs asks at its start, and making the stream loads node:tty or node:net (5 ms). We print without it. */
const NO_STDOUT = { 'process.stdout.columns': 'undefined' };

/**
 * What yargs imports and does not need. string-width, to wrap a help text that we print ourselves, pulls in
 * Intl.Segmenter and an emoji expression (24 ms a start). node:assert takes 4 ms, and as many again for the
 * AssertionError that yargs makes and catches at each parse, which asks for colours and so makes process.stderr.
 * escalade looks for a package.json to take a version from, in the working directory, which is an engine's or a bundle.
 * y18n looks for translations, which the bundle has not (5 % of a start).
 */
const STUBS = {
  'string-width': 'export default (text) => text.length;',
  'escalade/sync': 'export default () => undefined;',
  assert: `
    const refuse = (message) => { throw new Error(message); };
    export const strictEqual = (a, b, message) => { if (!Object.is(a, b)) refuse(message); };
    export const notStrictEqual = (a, b, message) => { if (Object.is(a, b)) refuse(message); };`,
  y18n: `
    const fill = (text, values) => values.reduce((left, value) => left.replace(/%[sd]/, () => String(value)), text);
    const count = (one, many, number, ...values) => {
      const text = number === 1 ? one : many;
      return fill(text, text.includes('%d') ? [number, ...values] : values);
    };
    export default () => ({
      __: (text, ...values) => fill(text, values), __n: count,
      getLocale: () => 'en', setLocale: () => {}, updateLocale: () => {},
    });`,
};

const stubs = {
  name: 'stubs',
  setup(build) {
    build.onResolve({ filter: /^(string-width|escalade\/sync|assert|y18n)$/ }, ({ path }) => ({
      path,
      namespace: 'stub',
    }));
    build.onLoad({ filter: /.*/, namespace: 'stub' }, ({ path }) => ({ contents: STUBS[path] }));
  },
};

/** Most of them want a path: making it of URLs, and loading node:url for that, takes a hundredth of a start. */
const FILE_BESIDE = /fileURLToPath\(new URL\(([^(),]+), import\.meta\.url\)\)/g;

/** Gives each of our modules the import.meta.url it has in the source tree, so that relative paths hold in both. */
const moduleUrl = {
  name: 'module-url',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      if (!source.includes('import.meta.url')) return undefined;
      const place = JSON.stringify(relative(DIST, path));
      const url = `require('node:url').pathToFileURL(require('node:path').join(__dirname, ${place})).href`;
      const paths = source.replace(
        FILE_BESIDE,
        (_, file) => `require('node:path').join(__dirname, ${place}, '..', ${file})`,
      );
      const used = paths.includes('fileURLToPath(') ? paths : paths.replace(/^import { fileURLToPath } .*\n/m, '');
      const contents = used.replaceAll('import.meta.url', `(${url})`);
      return { contents, loader: 'ts', resolveDir: dirname(path) };
    });
  },
};

/** The daemon is not part of the bundle that every command loads: `tsrun daemon` takes it from beside it. */
const ownBundle = {
  name: 'own-bundle',
  setup(build) {
    build.onResolve({ filter: /\/daemon\/index\.js$/ }, ({ path }) => ({ path, namespace: 'own-bundle' }));
    build.onResolve({ filter: /^\.\/daemon\.cjs$/ }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /.*/, namespace: 'own-bundle' }, () => ({
      contents: "module.exports = require('./daemon.cjs');",
    }));
  },
};

await bundle();
await bundleConformance();
if (!options.has('--bundle-only')) {
  const native = ['scripts/build-native.mjs', ...(options.has('--tests') ? ['--tests'] : [])];
  const status = run(process.execPath, native, { env: cleanEnv() });
  if (status !== 0) process.exit(status);
}
warmCache();
manPages();
