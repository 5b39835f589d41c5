# fragment of the room admin
