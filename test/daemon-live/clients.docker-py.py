# What programs made with docker-py do: argv is the socket's URL and an image with a busybox. Each scenario says its name
# when it has passed; the first that fails ends it all.
import io
import socket
import sys
import tarfile
import threading

import docker

client = docker.DockerClient(base_url=sys.argv[1], version='auto', timeout=60)
image = sys.argv[2]


def refused(kind, call, *args, **options):
    try:
        call(*args, **options)
    except kind as error:
        return error
    raise AssertionError('%s was not refused' % call)


def archive_of(name, content, uid=0):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode='w') as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.uid = len(content), uid
        archive.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def until_end(connection):
    whole = b''
    while True:
        piece = connection.recv(4096)
        if piece == b'':
            return whole
        whole += piece


def containers_run(box):
    assert client.containers.run(image, 'echo hi', remove=True) == b'hi\n'
    error = refused(docker.errors.ContainerError, client.containers.run, image, ['sh', '-c', 'echo bad >&2; exit 3'], remove=True)
    assert (error.exit_status, error.stderr) == (3, b'bad\n'), error
    refused(docker.errors.ImageNotFound, client.api.create_container, 'nosuch:1')


def logs_stream(box):
    talker = client.containers.run(image, ['sh', '-c', 'echo a; sleep 0.2; echo b'], detach=True)
    assert b''.join(talker.logs(stream=True, follow=True)) == b'a\nb\n'
    assert talker.wait()['StatusCode'] == 0
    talker.remove()


def exec_run(box):
    assert box.exec_run(['sh', '-c', 'echo o; echo e >&2; exit 4'], demux=True) == (4, (b'o\n', b'e\n'))
    assert list(box.exec_run('echo s', stream=True).output) == [b's\n']
    instance = client.api.exec_create(box.id, 'cat', stdin=True)
    connection = client.api.exec_start(instance, socket=True)._sock
    connection.sendall(b'ping\n')
    connection.shutdown(socket.SHUT_WR)
    assert until_end(connection) == b'\x01\0\0\0\0\0\0\x05ping\n'
    assert client.api.exec_inspect(instance)['ExitCode'] == 0


def attach_socket(box):
    cat = client.containers.create(image, 'head -n 1', stdin_open=True)
    connection = cat.attach_socket(params={'stdin': 1, 'stdout': 1, 'stream': 1})._sock
    cat.start()
    connection.sendall(b'typed\n')
    assert until_end(connection).endswith(b'typed\n')
    cat.remove(force=True)


def events(box):
    seen = []
    stream = client.events(decode=True, filters={'label': 'of=events'})
    ready = client.containers.create(image, 'true', labels={'of': 'events'})
    for event in stream:
        seen.append(event['Action'])
        if event['Action'] == 'create':
            threading.Thread(target=lambda: (ready.start(), ready.wait(), ready.remove())).start()
        if event['Action'] == 'destroy':
            break
    assert seen == ['create', 'start', 'die', 'destroy'], seen
    stream.close()


def archives(box):
    assert box.put_archive('/tmp', archive_of('f', b'abc', uid=7))
    assert box.exec_run('stat -c "%u %s" /tmp/f').output == b'7 3\n'
    pieces, stat = box.get_archive('/tmp/f')
    assert (stat['name'], stat['size']) == ('f', 3), stat
    assert tarfile.open(fileobj=io.BytesIO(b''.join(pieces))).extractfile('f').read() == b'abc'
    refused(docker.errors.NotFound, box.get_archive, '/nosuch')
    assert '/tmp/f' in [change['Path'] for change in box.diff()]


def stats(box):
    once = box.stats(stream=False)
    assert 'cpu_usage' in once['precpu_stats'] and once['name'] == '/box', once
    several = box.stats(decode=True)
    assert next(several)['id'] == next(several)['id'] == box.id


def administration(box):
    box.pause()
    box.reload()
    assert box.status == 'paused'
    box.unpause()
    box.rename('other')
    assert client.containers.get('other').id == box.id
    box.rename('box')
    box.update(cpu_shares=512)
    box.resize(20, 80)  # there is no terminal: no failure, as with dockerd
    assert box.top()['Processes']
    assert client.containers.list(filters={'label': 'of=box', 'status': 'running'}) == [box]
    box.restart(timeout=0)


def images(box):
    made = box.commit(repository='committed', tag='1', changes=['CMD ["echo","committed"]', 'LABEL z=1'], message='m')
    assert client.containers.run('committed:1', remove=True) == b'committed\n'
    assert (made.labels['z'], made.history()[0]['Comment']) == ('1', 'm')
    made.tag('re/po', 't')
    saved = b''.join(client.images.get('re/po:t').save(named=True))
    client.images.remove('re/po:t')
    client.images.remove('committed:1')
    assert [loaded.id for loaded in client.images.load(saved)] == [made.id]
    client.images.remove(made.id, force=True)
    refused(docker.errors.ImageNotFound, client.images.get, 'committed:1')


def networks(box):
    pool = docker.types.IPAMPool(subnet='10.97.0.0/24', gateway='10.97.0.1')
    made = client.networks.create('pynet', driver='bridge', ipam=docker.types.IPAMConfig(pool_configs=[pool]), check_duplicate=True)
    made.connect(box, aliases=['alias'], ipv4_address='10.97.0.9')
    made.reload()
    assert made.containers == [box]
    assert refused(docker.errors.APIError, made.remove).status_code == 403
    made.disconnect(box)
    made.remove()
    assert client.networks.list(names=['pynet']) == []


def volumes(box):
    made = client.volumes.create('pyvol', labels={'of': 'volumes'})
    assert client.volumes.list(filters={'label': 'of=volumes'}) == [made]
    client.containers.run(image, 'touch /v/f', volumes={'pyvol': {'bind': '/v', 'mode': 'rw'}}, remove=True)
    mount = docker.types.Mount('/v', 'pyvol', read_only=True)
    assert client.containers.run(image, 'ls /v', mounts=[mount], remove=True) == b'f\n'
    made.remove()
    refused(docker.errors.NotFound, client.volumes.get, 'pyvol')


# What testcontainers' reaper asks for: all with its labels, whatever it is.
def reaping(box):
    labels = {'org.testcontainers': 'true', 'org.testcontainers.session-id': 's'}
    filters = {'label': ['%s=%s' % pair for pair in labels.items()]}
    client.containers.run(image, 'sleep 1000', detach=True, labels=labels)
    client.networks.create('reaped', labels=labels)
    client.volumes.create('reaped', labels=labels)
    for found in client.containers.list(all=True, filters=filters):
        found.remove(force=True, v=True)
    assert client.networks.prune(filters=filters)['NetworksDeleted'] == ['reaped']
    assert client.volumes.prune(filters=dict(filters, all=['true']))['VolumesDeleted'] == ['reaped']
    client.images.prune(filters=dict(filters, dangling=['false']))
    assert client.containers.list() == [box]


def rest(box):
    client.df(), client.info(), client.version(), client.api.plugins()
    for list_them in (client.services.list, client.nodes.list, client.secrets.list):
        assert refused(docker.errors.APIError, list_them).status_code == 503


box = client.containers.run(image, 'sleep 1000', detach=True, name='box', labels={'of': 'box'}, stop_signal='SIGKILL')
for scenario in (containers_run, logs_stream, exec_run, attach_socket, events, archives, stats, administration, images, networks, volumes, reaping, rest):
    scenario(box)
    print(scenario.__name__, flush=True)
box.remove(force=True, v=True)
