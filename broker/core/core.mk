# fragment of the room broker/core
