// What both kernels of vm.mjs share: the command's files in the exchange directory (started, stdout, stderr, status), how
// they are followed while the kernel runs, and how it is stopped.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

const POLL_MS = 50;

/**
 * Follows the command's output until the kernel ends, the time is up, or it turns out not to boot: no file "started"
 * within bootMs, or a console that panicked() says is lost. Returns 'ended', 'timeout' or 'no-boot'.
 */
export async function watch(child, exchange, { timeout, onOutput, bootMs, panicked = () => false }) {
  const begin = Date.now();
  let startedAt;
  let ended = false;
  const exited = new Promise((resolve) => {
    child.on('exit', resolve);
    child.on('error', resolve);
  });
  exited.then(() => {
    ended = true;
  });
  const follow = ['stdout', 'stderr'].map((name) => follower(join(exchange, name), name, onOutput));
  for (;;) {
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, POLL_MS))]);
    for (const step of follow) step();
    if (read(join(exchange, 'started')) !== undefined) startedAt ??= Date.now();
    if (ended) return startedAt ? 'ended' : 'no-boot';
    const outcome = late(startedAt, begin, { timeout, bootMs }) ?? (panicked() ? lost(startedAt) : undefined);
    if (outcome === undefined) continue;
    signalGroup(child);
    await exited;
    return outcome;
  }
}

function late(startedAt, begin, { timeout, bootMs }) {
  if (!startedAt) return Date.now() - begin > bootMs ? 'no-boot' : undefined;
  return Date.now() - startedAt > timeout * 1000 ? 'timeout' : undefined;
}

const lost = (startedAt) => (startedAt ? 'ended' : 'no-boot');

/** What the command left in the exchange directory; 125 stands for a kernel that ended without a status. */
export function outcomeOf(exchange, ended, consoleText) {
  return {
    status: ended === 'timeout' ? 124 : Number(read(join(exchange, 'status'), '125')),
    stdout: read(join(exchange, 'stdout'), ''),
    stderr: read(join(exchange, 'stderr'), ''),
    console: consoleText,
  };
}

function follower(path, stream, onOutput = () => {}) {
  let position = 0;
  const chunk = Buffer.alloc(65536);
  return () => {
    let file;
    try {
      file = openSync(path, 'r');
    } catch {
      return; // not there yet
    }
    for (let size = 1; size > 0; ) {
      size = readSync(file, chunk, 0, chunk.length, position);
      position += size;
      if (size > 0) onOutput(chunk.toString('utf8', 0, size), stream);
    }
    closeSync(file);
  };
}

export function signalGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // already gone
  }
}

/** The kernel and its helpers must not outlive this process; returns what takes the handlers away again. */
export function stopOnExit(children) {
  const onExit = () => children.forEach(signalGroup);
  const onSignal = () => process.exit(130);
  process.on('exit', onExit);
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('exit', onExit);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

/** The lines of a shell script that run the command and leave its output and status in the exchange directory. */
export function commandScript({ argv, env, cwd, kernel }, exchange) {
  const exports = { PATH: process.env.PATH, HOME: '/root', TERM: 'xterm', LANG: 'C.UTF-8', ...env };
  return `${Object.entries(exports)
    .map(([name, value]) => `export ${name}=${quote(value)}`)
    .join('\n')}
export TSRUN_VM=${kernel}
: >${exchange}/started
cd ${quote(cwd)} 2>/dev/null || cd /
${argv.map(quote).join(' ')} </dev/null >${exchange}/stdout 2>${exchange}/stderr
echo $? >${exchange}/status
sync
`;
}

export function quote(text) {
  return `'${String(text).replaceAll("'", "'\\''")}'`;
}

export function read(path, missing = undefined) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return missing;
  }
}
