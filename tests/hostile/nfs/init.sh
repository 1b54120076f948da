#!/bin/sh
# The first process of the guest: a file server, two mounts of it with caches of their own, and the kill loop on both.
# The guest's root is the host's, so everything that is written lies in /run, or in $OUT on the host.
exec >"$OUT/log" 2>&1
set -ux
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/home TMPDIR=/run/tmp LANG=C.UTF-8
off() { echo o >/proc/sysrq-trigger; sleep 60; }
trap off EXIT

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o size=1g tmp /run
mount -t tmpfs tmp /var/lib/nfs
mkdir -p /run/home /run/tmp /run/export /run/a /run/b /run/modules/lib /run/rpc_pipefs /var/lib/nfs/rpc_pipefs /var/lib/nfs/v4recovery
ln -s /usr/lib/uml/modules /run/modules/lib/modules
ip link set lo up
uname -r >"$OUT/kernel"

modprobe -d /run/modules nfsd
modprobe -d /run/modules nfsv4
mount -t nfsd nfsd /proc/fs/nfsd
mount -t tmpfs -o size=512m export /run/export
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
exportfs -o rw,no_root_squash,no_subtree_check,insecure,fsid=0 127.0.0.1:/run/export
echo 10 >/proc/fs/nfsd/nfsv4gracetime
rpc.nfsd --no-nfs-version 3 --no-udp 4
rpc.mountd --no-nfs-version 2 --no-nfs-version 3
echo Y >/proc/fs/nfsd/v4_end_grace
for client in a b; do
    mount -t nfs -o vers=4.2,nosharecache 127.0.0.1:/ /run/$client || exit
done
grep nfs4 /proc/mounts >"$OUT/mounts"

cd "$CHECKOUT" || exit
export CACHEDINDEX_HOSTILE_FOLDERS=/run/a/cache:/run/b/cache CACHEDINDEX_HOSTILE_SECONDS=$SECONDS_OF_KILLS
"$PYTHON" -m pytest -p no:cacheprovider -o junit_family=xunit1 --junitxml="$OUT/result.xml" tests/hostile/test_kills.py
