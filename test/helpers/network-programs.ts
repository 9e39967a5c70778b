// Small servers and clients for tests of networks, as lines for sh. A server tells each caller whom it sees.

const node = (code: string): string => `${process.execPath} -e "${code}"`;

export function tcpServer(port: number): string {
  const answer = `s => { s.on('error', () => {}); s.end('from ' + s.remoteAddress + ' ') }`;
  return node(`require('net').createServer(${answer}).listen(${port}, '::', () => console.log('ready'))`);
}

export function udpServer(port: number): string {
  const answer = `(m, r) => s.send(m + ' from ' + r.address + ' ', r.port, r.address)`;
  const listening = `s.bind(${port}, () => console.log('ready'))`;
  return node(`const s = require('dgram').createSocket('udp6'); s.on('message', ${answer}); ${listening}`);
}

export function get(host: string, port: number, seconds = 5): string {
  return `busybox nc -w ${seconds} ${host} ${port} </dev/null`;
}

export function askUdp(host: string, port: number): string {
  const family = host.includes(':') ? 'udp6' : 'udp4';
  const answered = `m => { console.log(m + ''); process.exit() }`;
  const giveUp = `setTimeout(() => { console.log('nothing'); process.exit(1) }, 3000)`;
  return node(
    `const s = require('dgram').createSocket('${family}'); s.on('message', ${answered}); s.send('hi', ${port}, '${host}'); ${giveUp}`,
  );
}
