# fragment of the room man
