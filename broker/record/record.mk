# fragment of the room broker/record
