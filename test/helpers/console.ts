// Who takes the master of a terminal over --console-socket, as conmon does.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, runProgram, type Sandbox } from './runtime.js';

/** A receiver as conmon has one: takes one descriptor by SCM_RIGHTS, copies what it reads to a file. */
const RECEIVER = `
import array, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(4)
while True:
    connection, _ = server.accept()
    data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(64))
    fds = array.array('i')
    for level, kind, value in ancillary:
        fds.frombytes(value[:len(value) - len(value) % fds.itemsize])
    if len(fds) != 1:
        continue
    with open(sys.argv[2], 'ab', buffering=0) as output:
        while True:
            try:
                chunk = os.read(fds[0], 4096)
            except OSError:
                break
            if not chunk:
                break
            output.write(chunk)
    os.close(fds[0])
`;

/** Calls action with the socket, and the file that all terminals are copied to. */
export async function withConsoleSocket(
  box: Sandbox,
  action: (socket: string, output: string) => Promise<void>,
): Promise<void> {
  const [socket, output] = [join(box.directory, `s${Date.now() % 1e6}`), join(box.directory, 'console-output')];
  writeFileSync(output, '');
  const receiver = spawn('python3', ['-c', RECEIVER, socket, output], { stdio: 'inherit' });
  try {
    if (!eventually(() => runProgram('test', ['-S', socket], box.directory).status === 0)) throw new Error('no socket');
    await action(socket, output);
  } finally {
    receiver.kill('SIGKILL');
    await new Promise((resolve) => receiver.once('exit', resolve));
  }
}

/** Empty when it is not there. */
export function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
