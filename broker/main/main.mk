# fragment of the room broker/main
