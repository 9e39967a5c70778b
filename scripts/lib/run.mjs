// Small helpers of the scripts: where the repository is, starting a command, printing steps. Only node's own modules,
// because these scripts run before node_modules is there.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** NODE_OPTIONS may carry a loader of the caller; NODE_EXTRA_CA_CERTS adds 30 ms to every start of node. */
export function cleanEnv(extra = {}) {
  const env = { ...process.env, ...extra };
  delete env.NODE_OPTIONS;
  delete env.NODE_EXTRA_CA_CERTS;
  return env;
}

/** Runs a command with the terminal as its own; returns its exit status (128+n after a signal, 127 when missing). */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  return statusOf(done);
}

/** Runs a command and returns { status, stdout, stderr }. */
export function capture(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  return { status: statusOf(done), stdout: done.stdout ?? '', stderr: done.stderr ?? '' };
}

/** Like capture, but without blocking; onData sees stdout and stderr as they come. */
export function captureAsync(command, args, { onData = () => {}, timeout = 0, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options });
    let output = '';
    let timedOut = false;
    const take = (chunk) => {
      output += chunk;
      onData(String(chunk));
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const stop = () => {
      timedOut = true;
      killGroup(child.pid);
    };
    const timer = timeout > 0 ? setTimeout(stop, timeout) : undefined;
    const finish = (status) => {
      clearTimeout(timer);
      resolve({ status, output, timedOut });
    };
    child.on('error', (error) => {
      output += `${error.message}\n`;
      finish(127);
    });
    child.on('close', (code, signal) => finish(signal ? 128 : code));
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // already gone
  }
}

function statusOf(done) {
  if (done.error) return done.error.code === 'ENOENT' ? 127 : 126;
  return done.signal ? 128 : (done.status ?? 1);
}

export function hasCommand(name) {
  return capture('sh', ['-c', `command -v "$1"`, 'sh', name]).status === 0;
}

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = (text) => paint('1', text);
export const dim = (text) => paint('2', text);
export const green = (text) => paint('32', text);
export const red = (text) => paint('31', text);

/** Ends the script with a message that says what to do. */
export function fail(message, status = 1) {
  process.stderr.write(`${message}\n`);
  process.exit(status);
}
