# fragment of the room broker/net
