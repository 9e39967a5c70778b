// What a program with testcontainers 11 does: node clients.testcontainers.cjs HOME IMAGE, HOME with its node_modules.
const assert = require('node:assert');
const [home, image] = process.argv.slice(2);
const { GenericContainer, Network, Wait } = require(`${home}/node_modules/testcontainers`);
(async () => {
  const network = await new Network().start();
  const serve = 'mkdir -p /www; cp /copied /www/index.html; echo ready; exec httpd -f -p 80 -h /www';
  const one = () => new GenericContainer(image).withNetwork(network).withStartupTimeout(60000);
  const web = await one()
    .withCommand(['sh', '-c', serve]).withNetworkAliases('web').withExposedPorts(80)
    .withEnvironment({ MODE: 'live' }).withLabels({ tier: 'front' })
    .withCopyContentToContainer([{ content: 'served', target: '/copied' }])
    .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage('ready')]))
    .start();
  const page = await fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/`);
  assert.equal(await page.text(), 'served');
  const { output, exitCode } = await web.exec(['sh', '-c', 'echo $MODE; exit 3']);
  assert.deepEqual([output, exitCode], ['live\n', 3]);
  const healthy = await one()
    .withCommand(['sleep', '1000'])
    .withHealthCheck({ test: ['CMD-SHELL', 'true'], interval: 500, timeout: 5000, retries: 3, startPeriod: 0 })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  await web.restart();
  const logs = await web.logs();
  logs.destroy();
  await web.stop();
  await healthy.stop();
  await network.stop();
  console.log('done');
})().catch((e) => { console.error(e); process.exit(1); });
