# world.sh WORLD, nodes on standard input: NAME IPV4 IPV6 a line
#
# A bridge in a namespace of its own, and a namespace a node with one link to it. Each
# address is alone in its prefix (/32, /128): no server may take the tester for a
# neighbour in its own subnet. Duplicate address detection is off; it takes a second.
set -eu
world=$1
bridge=$world-bridge

ip netns add "$bridge"
ip -n "$bridge" link add br0 type bridge mcast_snooping 0
ip -n "$bridge" link set br0 up
while read -r node ipv4 ipv6; do
    space=$world-$node
    ip netns add "$space"
    ip -n "$bridge" -batch - <<END
link add $node type veth peer name eth0 netns $space
link set $node master br0 up
END
    ip -n "$space" -batch - <<END
link set lo up
link set eth0 addrgenmode none
link set eth0 up
address add $ipv4/32 dev eth0
address add $ipv6/128 dev eth0 nodad
route add 192.0.2.0/24 dev eth0 src $ipv4
route add 198.51.100.0/24 dev eth0 src $ipv4
route add 203.0.113.0/24 dev eth0 src $ipv4
route add 2001:db8::/32 dev eth0 src $ipv6
END
done
