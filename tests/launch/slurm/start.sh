#!/bin/sh
# Start a Slurm of one node on the loopback: munged, slurmctld, slurmd of Debian's slurm-wlm.
#
#   start.sh FOLDER        start, print the line `export SLURM_CONF=...`
#   start.sh FOLDER stop   stop what was started
#
# Needs root; everything it writes lies in FOLDER. There is no accounting, so `sacct` says nothing.
# Where mounting is allowed the node sees another folder than this machine as FOLDER/private: there
# is a file FOLDER/has-private then.
set -eu
folder=$1

stop() {
    for name in slurmd slurmctld munged; do
        if [ -f "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" 2>/dev/null || true; fi
    done
}

if [ "${2:-start}" = stop ]; then stop; exit 0; fi
mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
chmod 0755 "$folder" "$folder/munge"
head -c 1024 /dev/urandom > "$folder/munge/key"
chmod 0600 "$folder/munge/key"
host=$(hostname -s)
cat > "$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
KillWait=10
MinJobAge=30
JobRequeue=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" >&2
SLURM_CONF="$folder/slurm.conf"
export SLURM_CONF
slurmctld
mkdir -p "$folder/private" "$folder/elsewhere"
if unshare --mount true 2>/dev/null; then
    unshare --mount sh -ec 'mount --bind "$0/elsewhere" "$0/private"; exec slurmd' "$folder"
    touch "$folder/has-private"
else
    slurmd
fi
for _ in $(seq 60); do
    if sinfo -h -o %T 2>/dev/null | grep -q idle; then
        echo "export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 0.5
done
echo "the node did not become idle; see $folder/slurmctld.log and slurmd.log" >&2
stop
exit 1
