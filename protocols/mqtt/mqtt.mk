# fragment of the room protocols/mqtt
